-- What the collector keeps. Applied again by every run of the playbook: nothing that is there is changed.
create table if not exists event (
  id text primary key,                 -- SHA-256 of the event: the same event, sent twice, is one row
  at timestamptz not null,
  received_at timestamptz not null default now(),
  state text,                          -- START, COMPLETE, FAIL, ABORT…; null: told of the code, not of a run
  job text not null,
  run_id text,
  body jsonb not null
);
create index if not exists event_job on event (job, at);

create table if not exists job (
  name text primary key,
  engine text not null,
  owner text not null default '',
  description text not null default '',
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  last_run_at timestamptz,
  last_state text,
  opaque jsonb not null default '{}'   -- target columns whose origin could not be told, with the reason
);

-- Tasks of Airflow in which a job has run.
create table if not exists job_task (
  job text not null references job,
  dag text not null,
  task text not null,
  dag_run text not null default '',
  last_seen timestamptz not null,
  primary key (job, dag, task)
);

-- One row for each different lineage that a job has ever had; `period` says when it held.
create table if not exists version (
  id bigint generated always as identity primary key,
  job text not null references job,
  digest text not null,
  first_event text not null references event,
  unique (job, digest)
);
create table if not exists period (
  version bigint not null references version,
  job text not null references job,
  valid_from timestamptz not null,
  valid_to timestamptz,
  primary key (job, valid_from)
);
create unique index if not exists period_open on period (job) where valid_to is null;

create table if not exists flow (
  version bigint not null references version,
  direction text not null check (direction in ('in', 'out')),
  dataset text not null,
  primary key (version, direction, dataset)
);
create table if not exists link (
  version bigint not null references version,
  source text not null,
  source_column text not null,
  target text not null,
  target_column text not null default '',   -- empty: concerns every row of the target
  kind text not null,
  primary key (version, source, source_column, target, target_column, kind)
);

create table if not exists dataset (
  name text primary key,
  first_seen timestamptz not null,
  last_written_at timestamptz,
  last_job text,
  last_run text
);
