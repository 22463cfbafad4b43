-- Workflows and executions: one function for each method of the store, so that each is one round
-- trip and one transaction. They run with the rights of whoever calls them.
--
-- JSON goes in and comes out as text: a proxy or a client that parsed it would alter large
-- integers, and refuse escaped NUL characters and lone surrogates. Answers are one JSON value, as
-- Supabase cuts sets of rows off at its `max_rows`. What is refused is said by SQLSTATE `PT404`
-- and `PT409` (PostgREST makes HTTP's status of them) with πlot's code as the detail.

create function pilot.missing(p_message text) returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = 'PT404', message = p_message, detail = 'not_found';
end
$$;

create function pilot.refused(p_code text, p_message text) returns void
language plpgsql set search_path = '' as $$
begin
    raise exception using errcode = 'PT409', message = p_message, detail = p_code;
end
$$;


create function pilot.execution_of(p_row public.executions, p_whole boolean) returns json
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
        'usage', p_row.usage::text,
        'error', p_row.error::text,
        'input', case when p_whole then p_row.input::text end,
        'output', case when p_whole then p_row.output::text end
    )
$$;

-- One round trip to the database, with whatever rights.
create function public.pilot_ping() returns json
language sql stable set search_path = '' as $$ select to_json(true) $$;

create function public.pilot_create_workflow(
    p_id text, p_owner text, p_name text, p_description text, p_graph text, p_content_hash text,
    p_at timestamptz
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.workflows
        (id, owner, name, description, version, content_hash, created_at, updated_at)
    values (p_id, p_owner, p_name, p_description, 1, p_content_hash, p_at, p_at);
    insert into public.workflow_versions
        (workflow_id, version, name, graph, content_hash, created_at)
    values (p_id, 1, p_name, p_graph::json, p_content_hash, p_at);
    return to_json(true);
end
$$;

create function public.pilot_get_workflow(p_owner text, p_id text) returns json
language sql stable set search_path = '' as $$
    select row_to_json(found) from (
        select workflows.id, workflows.owner, workflows.name, workflows.description,
            workflows.version, workflows.content_hash, workflows.created_at, workflows.updated_at,
            versions.graph::text as graph
        from public.workflows
        join public.workflow_versions as versions
            on versions.workflow_id = workflows.id and versions.version = workflows.version
        where workflows.id = p_id and workflows.owner = p_owner and workflows.deleted_at is null
    ) as found
$$;

create function public.pilot_list_workflows(
    p_owner text, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, name, description, version, created_at, updated_at
        from public.workflows
        where owner = p_owner and deleted_at is null
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

create function public.pilot_update_workflow(
    p_owner text, p_id text, p_name text, p_description text, p_graph text, p_content_hash text,
    p_expected integer
) returns json
language plpgsql set search_path = '' as $$
declare
    v_row public.workflows;
    v_now timestamptz := clock_timestamp();
begin
    select * into v_row from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null
    for update;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    if p_expected <> v_row.version then
        perform pilot.refused('stale_version', format(
            'workflow %s is at version %s, not %s: somebody saved in between; read it again and '
            'repeat the change', p_id, v_row.version, p_expected
        ));
    end if;
    if (p_name, p_description, p_content_hash)
        is distinct from (v_row.name, v_row.description, v_row.content_hash)
    then
        insert into public.workflow_versions
            (workflow_id, version, name, graph, content_hash, created_at)
        values (p_id, v_row.version + 1, p_name, p_graph::json, p_content_hash, v_now);
        update public.workflows
        set name = p_name, description = p_description, version = v_row.version + 1,
            content_hash = p_content_hash, updated_at = v_now
        where id = p_id
        returning * into v_row;
    end if;
    return json_build_object(
        'version', v_row.version, 'created_at', v_row.created_at, 'updated_at', v_row.updated_at
    );
end
$$;

create function public.pilot_delete_workflow(p_owner text, p_id text) returns json
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
    update public.workflows set deleted_at = clock_timestamp() where id = p_id;
    return to_json(true);
end
$$;

create function public.pilot_get_version(p_owner text, p_id text, p_version integer) returns json
language sql stable set search_path = '' as $$
    select row_to_json(found) from (
        select versions.workflow_id, versions.version, versions.name, versions.graph::text as graph,
            versions.content_hash, versions.created_at
        from public.workflow_versions as versions
        join public.workflows on workflows.id = versions.workflow_id
        where versions.workflow_id = p_id and versions.version = p_version
            and workflows.owner = p_owner
    ) as found
$$;

-- Whether all of the owner's slots are taken. A transaction that asks has the lock
-- of `pilot.store.slots`.
create function pilot.are_taken(p_owner text, p_most integer) returns boolean
language sql set search_path = '' as $$
    select exists (
        select from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and (held_at is null or released_at is not null)
            and owner = p_owner
        offset greatest(p_most - 1, 0) limit 1
    )
$$;

-- The one of the owner's executions that has waited longest for a slot.
create function pilot.first_held(p_owner text) returns text
language sql set search_path = '' as $$
    select id from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null
        and owner = p_owner and cancel_requested_at is null
    order by held_at, id
    limit 1
$$;

-- Since when it waits for a slot where this call wrote it; else the row that was there before.
create function public.pilot_create_execution(p_execution json, p_most integer) returns json
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
        released_at timestamptz, usage text, error text, input text, output text
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
            edition, held_at, released_at, usage, error, input, output
        ) values (
            v_new.id, v_new.owner, v_new.workflow_id, v_new.workflow_version, v_new.status, 0,
            v_new.last_seq, v_new.created_at, v_new.started_at, v_new.finished_at,
            v_new.temporal_run_id, v_new.started_by, v_new.timeout_s, v_new.cancel_requested_at,
            v_new.edition, v_new.held_at, v_new.released_at, v_new.usage::json, v_new.error::json, v_new.input::json, v_new.output::json
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

create function public.pilot_get_execution(p_owner text, p_id text) returns json
language sql stable set search_path = '' as $$
    select pilot.execution_of(executions, true)
    from public.executions
    where id = p_id and owner = p_owner
$$;

-- Planned anew for what was asked: which index serves depends on which filters there are.
create function public.pilot_list_executions(
    p_owner text, p_workflow_id text, p_status text, p_size integer, p_before timestamptz,
    p_before_id text
) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(json_agg(pilot.execution_of(listed::public.executions, false)), '[]') from (
            select * from public.executions
            where owner = p_owner
                and (p_workflow_id is null or workflow_id = p_workflow_id)
                and (p_status is null or status = p_status)
                and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
            order by created_at desc, id desc
            limit p_size
        ) as listed
    );
end
$$;

create function public.pilot_open_executions(
    p_created_before timestamptz, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.execution_of(found::public.executions, false)), '[]') from (
        select * from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and created_at < p_created_before
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

create function public.pilot_open_counts() returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select status, count(*) as count, min(coalesce(released_at, created_at)) as oldest
        from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and (held_at is null or released_at is not null)
        group by status
    ) as found
$$;

create function public.pilot_overdue_cancels(p_before timestamptz, p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.execution_of(found::public.executions, false)), '[]') from (
        select * from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and cancel_requested_at is not null and cancel_requested_at < p_before
        order by cancel_requested_at
        limit p_size
    ) as found
$$;

create function public.pilot_progress(p_ids text[]) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, owner, created_at, last_seq, edition from public.executions where id = any (p_ids)
    ) as found
$$;

create function public.pilot_begun(p_owners text[], p_since timestamptz, p_size integer)
returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, owner, created_at, last_seq, edition from public.executions
        where owner = any (p_owners) and created_at >= p_since and last_seq > 0
        limit p_size
    ) as found
$$;

create function public.pilot_set_temporal_run(p_id text, p_run_id text) returns json
language plpgsql set search_path = '' as $$
begin
    update public.executions set temporal_run_id = p_run_id where id = p_id;
    if not found then
        perform pilot.missing(format('there is no execution %s', p_id));
    end if;
    return to_json(true);
end
$$;

create function public.pilot_request_cancel(p_id text, p_at timestamptz) returns json
language plpgsql set search_path = '' as $$
begin
    update public.executions set cancel_requested_at = p_at
    where id = p_id and cancel_requested_at is null
        and status in ('queued', 'running', 'waiting', 'paused');
    return to_json(found);
end
$$;

-- Slots (`pilot.store.slots`).

create function public.pilot_release_slot(p_owner text, p_most integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_id text;
    v_row public.executions;
begin
    perform pg_advisory_xact_lock(7032119, hashtext(p_owner));
    if p_most is not null and pilot.are_taken(p_owner, p_most) then
        return null;
    end if;
    v_id := pilot.first_held(p_owner);
    update public.executions set released_at = clock_timestamp()
    where id = v_id
        -- said again for a cancel that comes in between
        and status in ('queued', 'running', 'waiting', 'paused') and cancel_requested_at is null
    returning * into v_row;
    return case when found then pilot.execution_of(v_row, true) end;
end
$$;

create function public.pilot_owner_waiting(p_id text) returns json
language sql set search_path = '' as $$
    select to_json(owner) from public.executions
    where id = p_id and pilot.first_held(owner) is not null
$$;

create function public.pilot_owners_waiting(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(owner), '[]') from (
        select distinct owner from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and held_at is not null and released_at is null
        limit p_size
    ) as found
$$;

create function public.pilot_slot_position(p_owner text, p_held_at timestamptz, p_id text)
returns json
language sql stable set search_path = '' as $$
    select to_json(count(*) + 1) from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null
        and owner = p_owner and cancel_requested_at is null
        and (held_at, id) < (p_held_at, p_id)
$$;

create function public.pilot_count_held() returns json
language sql stable set search_path = '' as $$
    select to_json(count(*)) from public.executions
    where status in ('queued', 'running', 'waiting', 'paused')
        and held_at is not null and released_at is null
$$;
