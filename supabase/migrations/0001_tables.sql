-- The store's tables: the same as `pilot.store.tables`, which says what the columns hold.
-- A test compares the two, so that DATABASE_URL may point at this database as well.

create table public.workflows (
    id text not null,
    owner text not null,
    name text not null,
    description text not null,
    version integer not null,
    content_hash text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz,
    constraint pk_workflows primary key (id),
    constraint ck_workflows_version check (version >= 1)
);
create index ix_workflows_owner_created_at_id on public.workflows (owner, created_at, id)
    where deleted_at is null;

create table public.workflow_versions (
    workflow_id text not null,
    version integer not null,
    name text not null,
    graph json not null,
    content_hash text not null,
    created_at timestamptz not null,
    constraint pk_workflow_versions primary key (workflow_id, version),
    constraint fk_workflow_versions_workflows
        foreign key (workflow_id) references public.workflows (id),
    constraint ck_workflow_versions_version check (version >= 1)
);

create table public.executions (
    id text not null,
    owner text not null,
    workflow_id text not null,
    workflow_version integer not null,
    status text not null,
    status_seq integer not null,
    last_seq integer not null,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    temporal_run_id text,
    usage json not null,
    error json,
    input json,
    output json,
    started_by text,
    timeout_s double precision,
    cancel_requested_at timestamptz,
    edition text not null default '',
    held_at timestamptz,
    released_at timestamptz,
    constraint pk_executions primary key (id),
    constraint fk_executions_workflow_versions foreign key (workflow_id, workflow_version)
        references public.workflow_versions (workflow_id, version),
    constraint ck_executions_status check (status in (
        'queued', 'running', 'waiting', 'paused', 'succeeded', 'failed', 'cancelled', 'timed_out'
    ))
);
create index ix_executions_owner_created_at_id on public.executions (owner, created_at, id);
create index ix_executions_owner_status_created_at_id
    on public.executions (owner, status, created_at, id);
create index ix_executions_workflow_id_created_at_id
    on public.executions (workflow_id, created_at, id);
create index ix_executions_open on public.executions (workflow_id)
    where status in ('queued', 'running', 'waiting', 'paused');
create index ix_executions_open_created_at_id on public.executions (created_at, id)
    where status in ('queued', 'running', 'waiting', 'paused');
create index ix_executions_cancelling on public.executions (cancel_requested_at)
    where status in ('queued', 'running', 'waiting', 'paused') and cancel_requested_at is not null;
create index ix_executions_held on public.executions (owner, held_at, id)
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null;
create index ix_executions_slots on public.executions (owner)
    where status in ('queued', 'running', 'waiting', 'paused')
        and (held_at is null or released_at is not null);

create table public.node_runs (
    execution_id text not null,
    node_id text not null,
    path text not null,
    first_seq integer not null,
    last_seq integer not null,
    started_seq integer not null,
    type text,
    status text not null,
    reason text,
    attempt integer,
    started_at timestamptz,
    finished_at timestamptz,
    error json,
    meta json not null,
    output json,
    constraint pk_node_runs primary key (execution_id, node_id, path),
    constraint fk_node_runs_executions
        foreign key (execution_id) references public.executions (id),
    constraint ck_node_runs_status check (status in (
        'pending', 'running', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled'
    ))
);
create index ix_node_runs_execution_id_first_seq on public.node_runs (execution_id, first_seq);

create table public.events (
    execution_id text not null,
    seq integer not null,
    type text not null,
    at text not null,
    node_id text,
    path text not null,
    status text,
    attempt integer,
    data json not null,
    constraint pk_events primary key (execution_id, seq),
    constraint fk_events_executions foreign key (execution_id) references public.executions (id),
    constraint ck_events_seq check (seq >= 1)
);

create table public.secrets (
    owner text not null,
    name text not null,
    key_id text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    ciphertext bytea not null,
    constraint pk_secrets primary key (owner, name)
);

create table public.shares (
    workflow_id text not null,
    grantee text not null,
    role text not null,
    created_at timestamptz not null,
    constraint pk_shares primary key (workflow_id, grantee),
    constraint fk_shares_workflows foreign key (workflow_id) references public.workflows (id),
    constraint ck_shares_role check (role in ('viewer', 'runner', 'editor'))
);
create index ix_shares_grantee on public.shares (grantee);

create table public.api_keys (
    id text not null,
    owner text not null,
    created_by text not null,
    name text not null,
    role text not null,
    hash text not null,
    hint text not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint pk_api_keys primary key (id),
    constraint uq_api_keys_hash unique (hash),
    constraint ck_api_keys_role check (role in ('viewer', 'runner', 'editor', 'admin'))
);
create index ix_api_keys_owner_created_at_id on public.api_keys (owner, created_at, id);

create table public.usage (
    execution_id text not null,
    node_id text not null,
    path text not null,
    run_id text not null,
    attempt integer not null,
    call integer not null,
    owner text not null,
    workflow_id text not null,
    day date not null,
    model text not null,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    cost bigint,
    estimated boolean not null,
    error text,
    at timestamptz not null,
    constraint pk_usage primary key (execution_id, node_id, path, run_id, attempt, call)
);

create table public.usage_days (
    owner text not null,
    day date not null,
    workflow_id text not null,
    model text not null,
    prompt_tokens bigint not null,
    completion_tokens bigint not null,
    cost bigint not null,
    calls bigint not null,
    unpriced bigint not null,
    estimated bigint not null,
    constraint pk_usage_days primary key (owner, day, workflow_id, model)
);

create table public.usage_reservations (
    owner text not null,
    day date not null,
    workflow_id text not null,
    call_key text not null,
    tokens bigint not null,
    cost bigint not null,
    expires_at timestamptz not null,
    constraint pk_usage_reservations primary key (owner, day, workflow_id, call_key)
);

create table public.budgets (
    owner text not null,
    workflow_id text not null,
    tokens_per_day bigint,
    cost_per_day bigint,
    updated_at timestamptz not null,
    constraint pk_budgets primary key (owner, workflow_id)
);

create table public.llm_calls (
    call_key text not null,
    step text not null,
    execution_id text not null,
    state text not null,
    attempt integer not null,
    worker text not null,
    expires_at timestamptz not null,
    answer json,
    constraint pk_llm_calls primary key (call_key, step),
    constraint ck_llm_calls_state check (state in ('sent', 'answered'))
);
create index ix_llm_calls_execution_id on public.llm_calls (execution_id);
create index ix_llm_calls_expires_at on public.llm_calls (expires_at);

create table public.llm_answers (
    owner text not null,
    question text not null,
    expires_at timestamptz not null,
    answer json not null,
    constraint pk_llm_answers primary key (owner, question)
);
create index ix_llm_answers_expires_at on public.llm_answers (expires_at);

-- Which revision of the SQL store's schema this is. `pilot migrate` with a DATABASE_URL of this
-- database then finds that there is nothing left to do.
create table public.alembic_version (
    version_num varchar(32) not null,
    constraint alembic_version_pkc primary key (version_num)
);
insert into public.alembic_version values ('0009');
