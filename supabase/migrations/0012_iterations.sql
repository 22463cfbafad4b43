-- The iterations of loops and maps that have ended (`pilot.store.iterations`, Alembic's 0014).

-- The table may be there already, by `pilot migrate`.
create table if not exists public.iterations (
    execution_id text not null,
    node_id text not null,
    path text not null,
    index integer not null,
    status text not null,
    key text not null,
    started_at timestamptz,
    finished_at timestamptz,
    error json,
    nodes json not null,
    output json,
    constraint pk_iterations primary key (execution_id, node_id, path, index),
    constraint fk_iterations_executions
        foreign key (execution_id) references public.executions (id) on delete cascade,
    constraint ck_iterations_status check (status in ('succeeded', 'failed', 'cancelled'))
);

alter table public.iterations enable row level security;
alter table public.iterations force row level security;
revoke all on public.iterations from public, anon, authenticated;
grant all on public.iterations to service_role;
grant select on public.iterations to authenticated;
create policy iterations_read on public.iterations for select to authenticated using (
    exists (select from public.executions where executions.id = iterations.execution_id)
);

create function public.pilot_record_iterations(
    p_execution_id text, p_node_id text, p_path text, p_rows json
) returns json
language plpgsql set search_path = '' as $$
begin
    -- locked, so that it is not deleted in between
    perform from public.executions where id = p_execution_id for key share;
    if not found then
        return to_json(false);
    end if;
    insert into public.iterations (
        execution_id, node_id, path, index, status, key, started_at, finished_at, error, nodes,
        output
    )
    select p_execution_id, p_node_id, p_path, new.index, new.status, new.key, new.started_at,
        new.finished_at, new.error::json, new.nodes::json, new.output::json
    from json_to_recordset(p_rows) as new (
        index integer, status text, key text, started_at timestamptz, finished_at timestamptz,
        error text, nodes text, output text
    )
    on conflict (execution_id, node_id, path, index) do update set
        status = excluded.status, key = excluded.key, started_at = excluded.started_at,
        finished_at = excluded.finished_at, error = excluded.error, nodes = excluded.nodes,
        output = excluded.output;
    return to_json(true);
end
$$;

create function public.pilot_iterations(
    p_owner text, p_execution_id text, p_node_id text, p_path text, p_status text, p_after integer,
    p_size integer, p_shown integer, p_preview integer
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select iterations.index, iterations.status, iterations.key, iterations.started_at,
            iterations.finished_at, iterations.error::text as error,
            iterations.nodes::text as nodes,
            case
                when length(iterations.output::text) <= p_shown then iterations.output::text
            end as output,
            case
                when length(iterations.output::text) > p_shown
                then substr(iterations.output::text, 1, p_preview)
            end as preview
        from public.iterations
        join public.executions on executions.id = iterations.execution_id
        where executions.owner = p_owner and iterations.execution_id = p_execution_id
            and iterations.node_id = p_node_id and iterations.path = p_path
            and (p_status is null or iterations.status = p_status) and iterations.index > p_after
        order by iterations.index
        limit p_size
    ) as found
$$;

create function public.pilot_iteration_results(
    p_owner text, p_execution_id text, p_node_id text, p_path text, p_first integer, p_end integer,
    p_size integer
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select iterations.index, iterations.status, iterations.key, iterations.started_at,
            iterations.finished_at, iterations.error::text as error,
            iterations.nodes::text as nodes, iterations.output::text as output
        from public.iterations
        join public.executions on executions.id = iterations.execution_id
        where executions.owner = p_owner and iterations.execution_id = p_execution_id
            and iterations.node_id = p_node_id and iterations.path = p_path
            and iterations.status = 'succeeded' and iterations.index >= p_first
            and (p_end is null or iterations.index < p_end)
        order by iterations.index
        limit p_size
    ) as found
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname in (
            'pilot_record_iterations', 'pilot_iterations', 'pilot_iteration_results'
        )
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
    end loop;
end
$$;
grant execute on function public.pilot_iterations(
    text, text, text, text, text, integer, integer, integer, integer
) to authenticated;

update public.alembic_version set version_num = '0014';
notify pgrst, 'reload schema';
