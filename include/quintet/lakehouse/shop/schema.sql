-- Schema of the shop's database. May run again at any time, as the database's owner, in one transaction.

create table if not exists customers (
  customer_id bigint primary key,
  name text not null,
  email text not null,
  segment text not null check (segment in ('private', 'trade', 'wholesale', 'charity')),
  credit_limit numeric(12,2) not null check (credit_limit >= 0),
  is_active boolean not null default true,
  effective_at timestamptz not null,
  updated_at timestamptz not null default clock_timestamp());

create table if not exists addresses (
  address_id bigint primary key,
  customer_id bigint not null references customers on delete cascade,
  kind text not null check (kind in ('billing', 'delivery')),
  street text,
  city text not null,
  postal_code text,
  country text not null,
  valid_from date not null,
  updated_at timestamptz not null default clock_timestamp());
create index if not exists addresses_customer on addresses (customer_id);

create table if not exists products (
  product_code text primary key,
  title text not null,
  description text not null,
  category text not null,
  list_price numeric(12,2) not null check (list_price >= 0),
  weight_kg double precision,
  updated_at timestamptz not null default clock_timestamp());
-- Long values lie apart and are not written again by an update that does not touch them.
alter table products alter column description set storage external;

create table if not exists orders (
  order_id bigint primary key,
  customer_id bigint not null,
  status text not null check (status in ('placed', 'paid', 'shipped', 'returned', 'cancelled')),
  total numeric(14,2) not null,
  placed_at timestamptz not null,
  updated_at timestamptz not null default clock_timestamp());

create table if not exists order_lines (
  order_id bigint references orders on delete cascade,
  line_number integer,
  product_code text not null references products on update cascade,
  quantity integer not null check (quantity > 0),
  unit_price numeric(12,2) not null,
  primary key (order_id, line_number));
create index if not exists order_lines_product on order_lines (product_code);

create table if not exists payments (
  payment_id uuid primary key,
  order_id bigint not null references orders on delete cascade,
  method text not null check (method in ('card', 'transfer', 'voucher')),
  amount numeric(14,2) not null,
  status text not null check (status in ('open', 'done', 'refunded')),
  paid_at timestamptz);
create index if not exists payments_order on payments (order_id);

-- The whole old row goes into the log: a reader that keeps no state sees what an update replaced, and long values that
-- an update does not touch. It costs the size of the old row for each change.
alter table customers replica identity full;
alter table addresses replica identity full;
alter table products replica identity full;
alter table orders replica identity full;
alter table order_lines replica identity full;
alter table payments replica identity full;

-- Of the capture: a row that it writes itself, so that its place in the log moves on while the shop is quiet, and
-- requests to it.
create schema if not exists capture;
create table if not exists capture.heartbeats (source text primary key, beat_at timestamptz not null);
create table if not exists capture.signals (id text primary key, type text not null, data text);

do $$
begin
  if not exists (select from pg_publication where pubname = 'shop_changes') then
    create publication shop_changes for table customers, addresses, products, orders, order_lines, payments,
      capture.heartbeats, capture.signals;
  end if;
end
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'debezium') then
    revoke all on all tables in schema public from debezium;
    grant usage on schema public, capture to debezium;
    grant select on customers, addresses, products, orders, order_lines, payments to debezium;
    grant select, insert, update on capture.heartbeats to debezium;
    grant select, insert, delete on capture.signals to debezium;
  end if;
end
$$;
