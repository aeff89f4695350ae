-- The shop's price list and what captures it. May run again at any time, as the database's owner, in one transaction.

create schema if not exists ecommerce;

-- Product 0 is no product: it says up to when all versions are known.
create table if not exists ecommerce.product_versions (
  product_id bigint not null,
  valid_from timestamp(3) not null,
  category text not null,
  type text not null,
  brand text not null,
  price numeric(12,2) not null check (price >= 0),
  inventory_count bigint not null,
  reorder_point bigint not null,
  primary key (product_id, valid_from));

-- Who reads the captured versions, or begins with them anew, counts on it: a version that was told stays as it is.
create or replace function ecommerce.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the price list is only added to: announce another version of the product';
end
$$;
create or replace trigger product_versions_stay before update or delete on ecommerce.product_versions
  for each statement execute function ecommerce.refuse_change();

-- Of the capture: a row that it writes itself, so that its place in the log moves on while the shop is quiet, and
-- requests to it.
create schema if not exists ecommerce_capture;
create table if not exists ecommerce_capture.heartbeats (source text primary key, beat_at timestamptz not null);
create table if not exists ecommerce_capture.signals (id text primary key, type text not null, data text);

do $$
begin
  if not exists (select from pg_publication where pubname = 'ecommerce_products') then
    create publication ecommerce_products for table ecommerce.product_versions,
      ecommerce_capture.heartbeats, ecommerce_capture.signals;
  end if;
end
$$;

do $$
begin
  if exists (select from pg_roles where rolname = 'debezium') then
    grant usage on schema ecommerce, ecommerce_capture to debezium;
    grant select on ecommerce.product_versions to debezium;
    grant select, insert, update on ecommerce_capture.heartbeats to debezium;
    grant select, insert, delete on ecommerce_capture.signals to debezium;
  end if;
end
$$;
