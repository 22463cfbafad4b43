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

create function pilot.write_nodes(
    p_id text, p_workflow_id text, p_version integer, p_nodes json
) returns void
language plpgsql set search_path = '' as $$
declare
    v_types jsonb;
begin
    if exists (
        select from json_to_recordset(p_nodes) as new (type text, status text)
        where new.type is null and new.status in ('skipped', 'cancelled')
    ) then
        v_types := pilot.node_types(p_workflow_id, p_version);
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
end
$$;

create function pilot.change_of(
    p_change json, out last_seq integer, out started_at timestamptz, out status text,
    out status_seq integer, out finished_at timestamptz, out usage json, out error text,
    out output text
)
language sql stable set search_path = '' as $$
    select * from json_to_record(p_change) as change (
        last_seq integer, started_at timestamptz, status text, status_seq integer,
        finished_at timestamptz, usage json, error text, output text
    )
$$;

create function pilot.is_final(p_status text) returns boolean
language sql immutable set search_path = '' as $$
    select p_status in ('succeeded', 'failed', 'cancelled', 'timed_out')
$$;

-- The last `seq` that an edition shares with those before it (`pilot.events.edition`).
create function pilot.begins_after(p_edition text) returns integer
language sql immutable set search_path = '' as $$
    select nullif(split_part(p_edition, '.', 2), '')::integer
$$;

-- Takes back what the events after `p_after` have made of the rows. What they overwrote is made
-- again: `p_nodes` and `p_change` are what the events that stay come to.
create function pilot.forget_after(
    p_row public.executions, p_after integer, p_nodes json, p_change json
) returns public.executions
language plpgsql set search_path = '' as $$
declare
    v_said record;
begin
    delete from public.node_runs where execution_id = p_row.id and last_seq > p_after;
    delete from public.events where execution_id = p_row.id and seq > p_after;
    perform pilot.write_nodes(p_row.id, p_row.workflow_id, p_row.workflow_version, p_nodes);
    v_said := pilot.change_of(p_change);
    p_row.last_seq := (
        select coalesce(max(seq), 0) from public.events where execution_id = p_row.id
    );
    p_row.started_at := v_said.started_at;
    if p_row.status_seq > p_after then
        p_row.status := coalesce(v_said.status, 'running');
        p_row.status_seq := v_said.status_seq;
        p_row.finished_at := v_said.finished_at;
        p_row.usage := v_said.usage ->> 'whole';
        p_row.error := v_said.error;
        p_row.output := v_said.output;
    end if;
    update public.executions
    set last_seq = p_row.last_seq, started_at = p_row.started_at, status = p_row.status,
        status_seq = p_row.status_seq, finished_at = p_row.finished_at, usage = p_row.usage,
        error = p_row.error, output = p_row.output
    where id = p_row.id;
    return p_row;
end
$$;

-- Writes a batch; null once that is done. Else nothing was written, and the batch is to come again:
--
-- - `without` those events: they are there already, or a newer edition says otherwise;
-- - with `again`: what the events come to that stay when this edition takes the others back. It
--   is `p_again` then, with the `guard` that it came with: the state that it is true of.
--
-- `p_forget` takes all back that events have said before.
create function public.pilot_append_events(
    p_id text, p_edition text, p_events json, p_nodes json, p_change json, p_forget boolean,
    p_again json
) returns json
language plpgsql set search_path = '' as $$
declare
    v_row public.executions;
    v_change record;
    v_after integer;
    v_shared integer;
    v_without json;
    v_again json;
    v_guard text;
    v_is_final boolean;
    v_was_final boolean;
begin
    select * into v_row from public.executions where id = p_id for update;
    if not found then
        perform pilot.missing(format('there is no execution %s', p_id));
    end if;
    if p_forget then
        v_row := pilot.forget_after(v_row, 0, '[]', '{"status_seq": 0, "usage": {"whole": "{}"}}');
    elsif p_edition <> '' and pilot.is_final(v_row.status) then
        return null;
    end if;

    if p_edition collate "C" > v_row.edition then
        v_after := pilot.begins_after(p_edition);
        if v_row.last_seq <= v_after then
            v_after := null;
        end if;
    elsif p_edition <> '' and p_edition collate "C" < v_row.edition then
        v_shared := pilot.begins_after(v_row.edition);
    end if;
    select json_agg(new.seq) into v_without
    from json_to_recordset(p_events) as new (seq integer)
    where new.seq > v_shared or exists (
        select from public.events
        where events.execution_id = p_id and events.seq = new.seq
            and events.seq <= coalesce(v_after, events.seq)
    );
    if v_after is not null then
        v_guard := format('%s %s %s', v_row.edition, v_row.last_seq, (
            select count(*) from public.events where execution_id = p_id
        ));
        if p_again ->> 'guard' is distinct from v_guard then
            select json_build_object(
                'after', v_after, 'guard', v_guard, 'workflow_id', v_row.workflow_id,
                'events', coalesce(json_agg(staying), '[]')
            )
            into v_again
            from (
                select seq, type, at, node_id, path, status, attempt, data::text as data
                from public.events
                where execution_id = p_id and seq <= v_after and (node_id is null or exists (
                    select from public.node_runs
                    where node_runs.execution_id = p_id and node_runs.last_seq > v_after
                        and node_runs.node_id = events.node_id and node_runs.path = events.path
                ))
            ) as staying;
        end if;
    end if;
    if v_without is not null or v_again is not null then
        return json_build_object('without', v_without, 'again', v_again);
    end if;
    if v_after is not null then
        v_row := pilot.forget_after(v_row, v_after, p_again -> 'nodes', p_again -> 'change');
    end if;

    insert into public.events
        (execution_id, seq, type, at, node_id, path, status, attempt, data)
    select p_id, new.seq, new.type, new.at, new.node_id, new.path, new.status, new.attempt,
        new.data::json
    from json_to_recordset(p_events) as new (
        seq integer, type text, at text, node_id text, path text, status text, attempt integer,
        data text
    );
    perform pilot.write_nodes(p_id, v_row.workflow_id, v_row.workflow_version, p_nodes);
    v_change := pilot.change_of(p_change);
    update public.executions
    set last_seq = greatest(last_seq, v_change.last_seq),
        started_at = least(started_at, v_change.started_at),
        edition = case when p_edition collate "C" > edition then p_edition else edition end
    where id = p_id;
    v_is_final := pilot.is_final(v_change.status);
    v_was_final := pilot.is_final(v_row.status);
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
