-- Events, and what they make of the rows of their execution and its nodes.
-- `pilot.store.projection` works the changes out; here they are joined into what is stored.

create function public.pilot_node_runs(p_owner text, p_id text) returns json
language sql stable set search_path = '' as $$
    select (
        select coalesce(json_agg(found), '[]') from (
            select node_id, path, type, status, reason, attempt, started_at, finished_at,
                error::text as error, meta::text as meta, output::text as output
            from public.node_runs
            where execution_id = executions.id
            order by first_seq
        ) as found
    )
    from public.executions
    where id = p_id and owner = p_owner
$$;

create function public.pilot_events(p_owner text, p_id text, p_after integer, p_size integer)
returns json
language sql stable set search_path = '' as $$
    select json_build_object('workflow_id', executions.workflow_id, 'events', (
        select coalesce(json_agg(found), '[]') from (
            select seq, type, at, node_id, path, status, attempt, data::text as data
            from public.events
            where execution_id = executions.id and seq > p_after
            order by seq
            limit p_size
        ) as found
    ))
    from public.executions
    where id = p_id and owner = p_owner
$$;

-- The place of the first event that does not stand at its `seq`; else one past the last.
create function public.pilot_missing_from(p_id text) returns json
language sql stable set search_path = '' as $$
    select to_json((
        select coalesce(min(place) filter (where seq <> place), count(*) + 1)
        from (
            select seq, row_number() over (order by seq) as place
            from public.events
            where execution_id = executions.id
        ) as numbered
    ))
    from public.executions
    where id = p_id
$$;

-- The usage of an execution that has ended: what the run said, or its calls where they come to
-- more (`pilot.store.usage_totals.settled`). `p_said` has the text that the run said, whole, and
-- the rest of it without the three numbers, and those apart.
create function pilot.settled(p_id text, p_said json) returns json
language plpgsql stable set search_path = '' as $$
declare
    v_said record;
    v_total record;
    v_parts text[];
begin
    select * into v_said from json_to_record(p_said) as said (
        whole text, rest text, prompt_tokens numeric, completion_tokens numeric, cost_usd numeric,
        cost text
    );
    select count(*) as calls, count(*) filter (where cost is null) as unpriced,
        sum(prompt_tokens) as prompt_tokens, sum(completion_tokens) as completion_tokens,
        coalesce(sum(cost), 0) as cost
    into v_total
    from public.usage
    where execution_id = p_id;
    if v_total.calls = 0 then
        return v_said.whole::json;
    end if;
    v_parts := array[
        nullif(substr(v_said.rest, 2, length(v_said.rest) - 2), ''),
        '"prompt_tokens":' || greatest(v_said.prompt_tokens, v_total.prompt_tokens),
        '"completion_tokens":' || greatest(v_said.completion_tokens, v_total.completion_tokens),
        '"cost_usd":' || case
            when v_total.unpriced < v_total.calls then trim_scale(
                greatest(v_said.cost_usd, v_total.cost::numeric / 1000000000)
            )::text
            else v_said.cost
        end
    ];
    return ('{' || array_to_string(v_parts, ',') || '}')::json;
end
$$;

-- The types of nodes by their ids. A graph that holds an escaped NUL character cannot be taken
-- apart here; its nodes are then told without a type.
create function pilot.node_types(p_workflow_id text, p_version integer) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
    return (
        select jsonb_object_agg(node ->> 'id', node ->> 'type')
        from public.workflow_versions as versions,
            json_array_elements(versions.graph -> 'nodes') as node
        where versions.workflow_id = p_workflow_id and versions.version = p_version
            and node ->> 'id' is not null
    );
exception
    when untranslatable_character or invalid_text_representation or invalid_parameter_value then
        return null;
end
$$;

-- Writes a batch. Where some of its events are there already, it writes nothing and answers their
-- `seq`: the batch is to come again without them. `p_forget` takes back what was there before.
create function public.pilot_append_events(
    p_id text, p_events json, p_nodes json, p_change json, p_forget boolean
) returns json
language plpgsql set search_path = '' as $$
declare
    v_row public.executions;
    v_known json;
    v_types jsonb;
    v_change record;
    v_is_final boolean;
    v_was_final boolean;
begin
    select * into v_row from public.executions where id = p_id for update;
    if not found then
        perform pilot.missing(format('there is no execution %s', p_id));
    end if;
    if p_forget then
        delete from public.events where execution_id = p_id;
        delete from public.node_runs where execution_id = p_id;
        update public.executions
        set status = 'running', status_seq = 0, last_seq = 0, started_at = null
        where id = p_id
        returning * into v_row;
    end if;

    select json_agg(events.seq) into v_known
    from public.events
    join json_to_recordset(p_events) as new (seq integer) on new.seq = events.seq
    where events.execution_id = p_id;
    if v_known is not null then
        return v_known;
    end if;

    insert into public.events
        (execution_id, seq, type, at, node_id, path, status, attempt, data)
    select p_id, new.seq, new.type, new.at, new.node_id, new.path, new.status, new.attempt,
        new.data::json
    from json_to_recordset(p_events) as new (
        seq integer, type text, at text, node_id text, path text, status text, attempt integer,
        data text
    );

    if exists (
        select from json_to_recordset(p_nodes) as new (type text, status text)
        where new.type is null and new.status in ('skipped', 'cancelled')
    ) then
        v_types := pilot.node_types(v_row.workflow_id, v_row.workflow_version);
    end if;
    insert into public.node_runs as old (
        execution_id, node_id, path, first_seq, last_seq, started_seq, type, status, reason,
        attempt, started_at, finished_at, error, meta, output
    )
    select p_id, new.node_id, new.path, new.first_seq, new.last_seq, new.started_seq,
        case
            when new.type is null and new.status in ('skipped', 'cancelled')
            then v_types ->> new.node_id
            else new.type
        end,
        new.status, new.reason, new.attempt, new.started_at, new.finished_at, new.error::json,
        new.meta::json, new.output::json
    from json_to_recordset(p_nodes) as new (
        node_id text, path text, first_seq integer, last_seq integer, started_seq integer,
        type text, status text, reason text, attempt integer, started_at timestamptz,
        finished_at timestamptz, error text, meta text, output text
    )
    on conflict (execution_id, node_id, path) do update set
        status = case when excluded.last_seq > old.last_seq then excluded.status else old.status end,
        reason = case when excluded.last_seq > old.last_seq then excluded.reason else old.reason end,
        finished_at = case when excluded.last_seq > old.last_seq then excluded.finished_at else old.finished_at end,
        error = case when excluded.last_seq > old.last_seq then excluded.error else old.error end,
        meta = case when excluded.last_seq > old.last_seq then excluded.meta else old.meta end,
        output = case when excluded.last_seq > old.last_seq then excluded.output else old.output end,
        last_seq = case when excluded.last_seq > old.last_seq then excluded.last_seq else old.last_seq end,
        started_at = case when excluded.started_seq > old.started_seq then excluded.started_at else old.started_at end,
        started_seq = case when excluded.started_seq > old.started_seq then excluded.started_seq else old.started_seq end,
        first_seq = least(excluded.first_seq, old.first_seq),
        attempt = greatest(excluded.attempt, old.attempt),
        type = case when excluded.last_seq > old.last_seq
            then coalesce(excluded.type, old.type)
            else coalesce(old.type, excluded.type)
        end;

    select * into v_change from json_to_record(p_change) as change (
        last_seq integer, started_at timestamptz, status text, status_seq integer,
        finished_at timestamptz, usage json, error text, output text
    );
    update public.executions
    set last_seq = greatest(last_seq, v_change.last_seq),
        started_at = least(started_at, v_change.started_at)
    where id = p_id;
    v_is_final := v_change.status in ('succeeded', 'failed', 'cancelled', 'timed_out');
    v_was_final := v_row.status in ('succeeded', 'failed', 'cancelled', 'timed_out');
    -- the newest status counts, but the oldest final one is never left again
    if v_change.status is not null and (case
        when v_is_final and v_was_final then v_change.status_seq < v_row.status_seq
        when v_is_final or v_was_final then v_is_final
        else v_change.status_seq > v_row.status_seq
    end) then
        update public.executions
        set status = v_change.status, status_seq = v_change.status_seq,
            finished_at = v_change.finished_at, error = v_change.error::json,
            output = v_change.output::json,
            usage = case
                when v_is_final then pilot.settled(p_id, v_change.usage)
                else (v_change.usage ->> 'whole')::json
            end
        where id = p_id;
    end if;
    return null;
end
$$;
