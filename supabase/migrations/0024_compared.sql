-- The reconciler looks past what waits for a slot (Alembic's 0020).

create index if not exists ix_executions_compared on public.executions (created_at, id)
    where status in ('queued', 'running', 'waiting', 'paused')
        and (held_at is null or released_at is not null or cancel_requested_at is not null);
drop index if exists public.ix_executions_open_created_at_id;
update public.alembic_version set version_num = '0020' where version_num < '0020';

create or replace function public.pilot_open_executions(
    p_created_before timestamptz, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(pilot.execution_of(found::public.executions, false)), '[]') from (
        select * from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and (held_at is null or released_at is not null or cancel_requested_at is not null)
            and created_at < p_created_before
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

-- Owners of whom an execution can be released. The index is gone through in strides from one
-- owner to the next, over what is held of each.
drop function public.pilot_owners_waiting(integer);
create function public.pilot_owners_waiting(p_size integer, p_most integer default null)
returns json
language sql stable set search_path = '' as $$
    with recursive theirs as (
        select (
            select owner from public.executions
            where status in ('queued', 'running', 'waiting', 'paused')
                and held_at is not null and released_at is null
            order by owner limit 1
        ) as whose
        union all
        select (
            select owner from public.executions
            where status in ('queued', 'running', 'waiting', 'paused')
                and held_at is not null and released_at is null and owner > whose
            order by owner limit 1
        )
        from theirs where whose is not null
    )
    select coalesce(json_agg(whose), '[]') from (
        select whose from theirs
        where pilot.first_held(whose) is not null
            and not (p_most is not null and pilot.are_taken(whose, p_most))
        limit p_size
    ) as found
$$;

revoke all on function public.pilot_owners_waiting(integer, integer)
    from public, anon, authenticated;
grant execute on function public.pilot_owners_waiting(integer, integer) to service_role;
notify pgrst, 'reload schema';
