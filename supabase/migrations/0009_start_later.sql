-- Executions that begin later, and what began them (Alembic's 0011).

alter table public.executions add column if not exists start_at timestamptz;
alter table public.executions add column if not exists triggered_by text;
alter table public.executions add column if not exists triggered_at timestamptz;
create index if not exists ix_executions_triggered_by_created_at_id
    on public.executions (triggered_by, created_at, id) where triggered_by is not null;
update public.alembic_version set version_num = '0011' where version_num < '0011';

create or replace function pilot.execution_of(p_row public.executions, p_whole boolean) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'id', p_row.id,
        'owner', p_row.owner,
        'workflow_id', p_row.workflow_id,
        'workflow_version', p_row.workflow_version,
        'status', p_row.status,
        'last_seq', p_row.last_seq,
        'created_at', p_row.created_at,
        'started_at', p_row.started_at,
        'finished_at', p_row.finished_at,
        'temporal_run_id', p_row.temporal_run_id,
        'started_by', p_row.started_by,
        'timeout_s', p_row.timeout_s,
        'cancel_requested_at', p_row.cancel_requested_at,
        'edition', p_row.edition,
        'held_at', p_row.held_at,
        'released_at', p_row.released_at,
        'start_at', p_row.start_at,
        'triggered_by', p_row.triggered_by,
        'triggered_at', p_row.triggered_at,
        'usage', p_row.usage::text,
        'error', p_row.error::text,
        'input', case when p_whole then p_row.input::text end,
        'output', case when p_whole then p_row.output::text end
    )
$$;

create or replace function pilot.first_held(p_owner text) returns text
language sql set search_path = '' as $$
    select id from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null
        and owner = p_owner and cancel_requested_at is null
        and held_at <= clock_timestamp()
    order by held_at, id
    limit 1
$$;

create or replace function public.pilot_create_execution(p_execution json, p_most integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_new record;
    v_row public.executions;
begin
    select * into v_new from json_to_record(p_execution) as new (
        id text, owner text, workflow_id text, workflow_version integer, status text,
        last_seq integer, created_at timestamptz, started_at timestamptz, finished_at timestamptz,
        temporal_run_id text, started_by text, timeout_s double precision,
        cancel_requested_at timestamptz, edition text, held_at timestamptz,
        released_at timestamptz, start_at timestamptz, triggered_by text,
        triggered_at timestamptz, usage text, error text, input text, output text
    );
    if p_most is not null then
        perform pg_advisory_xact_lock(7032119, hashtext(v_new.owner));
        if pilot.first_held(v_new.owner) is not null or pilot.are_taken(v_new.owner, p_most) then
            v_new.held_at := clock_timestamp();
        end if;
    end if;
    perform from public.workflows
    where id = v_new.workflow_id and owner = v_new.owner and deleted_at is null
        and exists (
            select from public.workflow_versions as versions
            where versions.workflow_id = v_new.workflow_id
                and versions.version = v_new.workflow_version
        )
    for share of workflows;
    if found then
        insert into public.executions (
            id, owner, workflow_id, workflow_version, status, status_seq, last_seq, created_at,
            started_at, finished_at, temporal_run_id, started_by, timeout_s, cancel_requested_at,
            edition, held_at, released_at, start_at, triggered_by, triggered_at, usage, error,
            input, output
        ) values (
            v_new.id, v_new.owner, v_new.workflow_id, v_new.workflow_version, v_new.status, 0,
            v_new.last_seq, v_new.created_at, v_new.started_at, v_new.finished_at,
            v_new.temporal_run_id, v_new.started_by, v_new.timeout_s, v_new.cancel_requested_at,
            v_new.edition, v_new.held_at, v_new.released_at, v_new.start_at, v_new.triggered_by,
            v_new.triggered_at, v_new.usage::json, v_new.error::json, v_new.input::json,
            v_new.output::json
        )
        on conflict (id) do nothing;
        if found then
            return json_build_object('held_at', v_new.held_at);
        end if;
    end if;
    select * into v_row from public.executions where id = v_new.id and owner = v_new.owner;
    if not found then
        perform pilot.missing(format(
            'there is no version %s of workflow %s', v_new.workflow_version, v_new.workflow_id
        ));
    end if;
    return json_build_object('row', pilot.execution_of(v_row, true));
end
$$;

create or replace function public.pilot_owners_waiting(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(owner), '[]') from (
        select distinct owner from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and held_at is not null and held_at <= clock_timestamp() and released_at is null
        limit p_size
    ) as found
$$;

create or replace function public.pilot_slot_position(p_owner text, p_held_at timestamptz, p_id text)
returns json
language sql stable set search_path = '' as $$
    select to_json(count(*) + 1) from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null
        and owner = p_owner and cancel_requested_at is null
        and held_at <= clock_timestamp() and (held_at, id) < (p_held_at, p_id)
$$;

create or replace function public.pilot_count_held() returns json
language sql stable set search_path = '' as $$
    select to_json(count(*)) from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and held_at <= clock_timestamp() and released_at is null
$$;

create function public.pilot_list_triggered(
    p_owner text, p_triggered_by text, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.execution_of(found::public.executions, false)), '[]') from (
        select * from public.executions
        where triggered_by = p_triggered_by and owner = p_owner
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

revoke all on function public.pilot_list_triggered(text, text, integer, timestamptz, text)
    from public, anon, authenticated;
grant execute on function public.pilot_list_triggered(text, text, integer, timestamptz, text)
    to authenticated, service_role;
notify pgrst, 'reload schema';
