-- Schedules and webhooks (Alembic's 0016). Nobody but `service_role` has anything of them: the API
-- and the worker ask, and a user's token reads no hash of a webhook's token.

create table if not exists public.triggers (
    id text not null,
    owner text not null,
    workflow_id text not null,
    kind text not null,
    created_by text not null,
    name text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    timeout_s double precision,
    paused boolean not null,
    note text not null,
    revision integer not null,
    applied integer not null,
    token_hash text,
    hint text,
    failure json,
    definition json not null,
    input json,
    constraint pk_triggers primary key (id),
    constraint uq_triggers_token_hash unique (token_hash),
    constraint fk_triggers_workflows foreign key (workflow_id) references public.workflows (id),
    constraint ck_triggers_kind check (kind in ('schedule', 'webhook'))
);
create index if not exists ix_triggers_owner_created_at_id
    on public.triggers (owner, created_at, id);
create index if not exists ix_triggers_workflow_id_created_at_id
    on public.triggers (workflow_id, created_at, id);
create index if not exists ix_triggers_kind_id on public.triggers (kind, id);
create index if not exists ix_triggers_unapplied
    on public.triggers (id) where kind = 'schedule' and applied <> revision;
update public.alembic_version set version_num = '0016' where version_num < '0016';

alter table public.triggers enable row level security;
alter table public.triggers force row level security;
revoke all on public.triggers from public, anon, authenticated;
grant all on public.triggers to service_role;

-- As its owner, because whoever may delete a workflow reads no row of the table.
create function pilot.has_triggers(p_workflow_id text) returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select from public.triggers where workflow_id = p_workflow_id)
$$;
revoke all on function pilot.has_triggers(text) from public;
grant execute on function pilot.has_triggers(text) to authenticated, service_role;

create function pilot.trigger_of(p_row public.triggers) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'id', p_row.id,
        'owner', p_row.owner,
        'workflow_id', p_row.workflow_id,
        'kind', p_row.kind,
        'created_by', p_row.created_by,
        'name', p_row.name,
        'created_at', p_row.created_at,
        'updated_at', p_row.updated_at,
        'timeout_s', p_row.timeout_s,
        'paused', p_row.paused,
        'note', p_row.note,
        'revision', p_row.revision,
        'applied', p_row.applied,
        'token_hash', p_row.token_hash,
        'hint', p_row.hint,
        'failure', p_row.failure::text,
        'definition', p_row.definition::text,
        'input', p_row.input::text
    )
$$;

create function public.pilot_create_trigger(p_trigger json, p_limit integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_new record;
begin
    select * into v_new from json_to_record(p_trigger) as new (
        id text, owner text, workflow_id text, kind text, created_by text, name text,
        created_at timestamptz, updated_at timestamptz, timeout_s double precision,
        paused boolean, note text, revision integer, applied integer, token_hash text, hint text,
        failure text, definition text, input text
    );
    perform pg_advisory_xact_lock(7032121, hashtext(v_new.owner));
    perform from public.workflows
    where id = v_new.workflow_id and owner = v_new.owner and deleted_at is null
    for share;
    if not found then
        perform pilot.missing(format('there is no workflow %s', v_new.workflow_id));
    end if;
    if (select count(*) from public.triggers where owner = v_new.owner) >= p_limit then
        perform pilot.refused('too_many_triggers', format(
            'there are %s triggers already: delete one first', p_limit
        ));
    end if;
    insert into public.triggers (
        id, owner, workflow_id, kind, created_by, name, created_at, updated_at, timeout_s, paused,
        note, revision, applied, token_hash, hint, failure, definition, input
    ) values (
        v_new.id, v_new.owner, v_new.workflow_id, v_new.kind, v_new.created_by, v_new.name,
        v_new.created_at, v_new.updated_at, v_new.timeout_s, v_new.paused, v_new.note,
        v_new.revision, v_new.applied, v_new.token_hash, v_new.hint, v_new.failure::json,
        v_new.definition::json, v_new.input::json
    );
    return to_json(true);
end
$$;

create function public.pilot_get_trigger(p_id text) returns json
language sql stable set search_path = '' as $$
    select pilot.trigger_of(triggers) from public.triggers where id = p_id
$$;

create function public.pilot_find_trigger(p_hash text) returns json
language sql stable set search_path = '' as $$
    select pilot.trigger_of(triggers) from public.triggers where token_hash = p_hash
$$;

create function public.pilot_list_triggers(
    p_owner text, p_workflow_id text, p_kind text, p_size integer, p_before timestamptz,
    p_before_id text
) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(json_agg(pilot.trigger_of(listed::public.triggers)), '[]') from (
            select * from public.triggers
            where owner = p_owner
                and (p_workflow_id is null or workflow_id = p_workflow_id)
                and (p_kind is null or kind = p_kind)
                and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
            order by created_at desc, id desc
            limit p_size
        ) as listed
    );
end
$$;

-- Whether it still was at that revision.
create function public.pilot_update_trigger(p_trigger json, p_revision integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_new record;
begin
    select * into v_new from json_to_record(p_trigger) as new (
        id text, owner text, workflow_id text, kind text, created_by text, name text,
        created_at timestamptz, updated_at timestamptz, timeout_s double precision,
        paused boolean, note text, revision integer, applied integer, token_hash text, hint text,
        failure text, definition text, input text
    );
    update public.triggers
    set name = v_new.name, updated_at = v_new.updated_at, timeout_s = v_new.timeout_s,
        paused = v_new.paused, note = v_new.note, revision = v_new.revision,
        token_hash = v_new.token_hash, hint = v_new.hint, definition = v_new.definition::json,
        input = v_new.input::json
    where id = v_new.id and revision = p_revision;
    return to_json(found);
end
$$;

create function public.pilot_delete_trigger(p_id text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.triggers where id = p_id;
    return to_json(found);
end
$$;

create function public.pilot_trigger_failed(p_id text, p_failure text) returns json
language plpgsql set search_path = '' as $$
begin
    update public.triggers set failure = p_failure::json where id = p_id;
    return to_json(found);
end
$$;

create function public.pilot_trigger_applied(p_id text, p_revision integer) returns json
language plpgsql set search_path = '' as $$
begin
    update public.triggers set applied = p_revision where id = p_id;
    return to_json(found);
end
$$;

create function public.pilot_unapplied_triggers(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.trigger_of(found::public.triggers)), '[]') from (
        select * from public.triggers where kind = 'schedule' and applied <> revision limit p_size
    ) as found
$$;

create function public.pilot_list_schedules(p_after text, p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.trigger_of(found::public.triggers)), '[]') from (
        select * from public.triggers
        where kind = 'schedule' and id > p_after order by id limit p_size
    ) as found
$$;

create or replace function public.pilot_delete_workflow(p_owner text, p_id text) returns json
language plpgsql set search_path = '' as $$
begin
    perform from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null
    for update;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    if exists (
        select from public.executions
        where workflow_id = p_id and status in ('queued', 'running', 'waiting', 'paused')
    ) then
        perform pilot.refused('open_executions', format(
            'workflow %s has open executions: cancel them first', p_id
        ));
    end if;
    if pilot.has_triggers(p_id) then
        perform pilot.refused('has_triggers', format(
            'workflow %s has schedules or webhooks: delete them first', p_id
        ));
    end if;
    update public.workflows set deleted_at = clock_timestamp() where id = p_id;
    return to_json(true);
end
$$;

-- Whoever is forgotten has none.

create or replace function public.pilot_close_access(p_owner text) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
begin
    delete from public.secrets where owner = p_owner;
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.api_keys where owner = p_owner or created_by = p_owner;
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.triggers where owner = p_owner;
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.shares where grantee = p_owner
        or workflow_id in (select id from public.workflows where owner = p_owner);
    get diagnostics v_part = row_count;
    return to_json(v_count + v_part);
end
$$;

create or replace function public.pilot_unname(p_owner text, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
begin
    update public.executions set started_by = null where id in (
        select id from public.executions where started_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    update public.workflow_versions set created_by = null where (workflow_id, version) in (
        select workflow_id, version from public.workflow_versions
        where created_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    update public.publications set published_by = null where (workflow_id, number) in (
        select workflow_id, number from public.publications
        where published_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    update public.triggers set created_by = owner where id in (
        select id from public.triggers
        where created_by = p_owner and owner <> p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    return to_json(v_count + v_part);
end
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'pilot_create_trigger', 'pilot_get_trigger', 'pilot_find_trigger',
            'pilot_list_triggers', 'pilot_update_trigger', 'pilot_delete_trigger',
            'pilot_trigger_failed', 'pilot_trigger_applied', 'pilot_unapplied_triggers',
            'pilot_list_schedules'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
    end loop;
end
$$;
revoke all on function pilot.trigger_of(public.triggers) from public;
grant execute on function pilot.trigger_of(public.triggers) to service_role;
notify pgrst, 'reload schema';
