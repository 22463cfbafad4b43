-- Who may read and write which rows.
--
-- `service_role` (the worker, and what the API does in nobody's name) is above row-level security.
-- `anon` may do nothing. `authenticated` is a person with a token of Clerk's: in the organisation
-- that it names, in the role that they have there, else for themselves; and in workflows that
-- somebody shares with them. It is the rule of the API (`api/caller.py`, `api/access.py`), held
-- a second time here, where a mistake of the API's cannot get around it.
--
-- Supabase gives every new table and function of `public` to all three roles. So each is taken
-- back first and given again by name; a test goes through the catalog for one that was forgotten.

create schema pilot;
revoke all on schema pilot from public;
grant usage on schema pilot to authenticated, service_role;

-- What the token says. None of these reads a table.

create function pilot.organisation() returns text
language sql stable set search_path = '' as $$
    select case
        when jsonb_typeof(claims -> 'o') = 'object' then claims -> 'o' ->> 'id'
        else claims ->> 'org_id'
    end
    from auth.jwt() as claims
$$;

-- The user; null for a session that is not signed in wholly.
create function pilot.subject() returns text
language sql stable set search_path = '' as $$
    select case
        when jsonb_typeof(claims -> 'sub') = 'string' and claims ->> 'sts' is distinct from 'pending'
        then nullif(claims ->> 'sub', '')
    end
    from auth.jwt() as claims
$$;

-- Whose things the user works with: the `owner` of rows.
create function pilot.tenant() returns text
language sql stable set search_path = '' as $$
    select case when subject is not null then coalesce(organisation, subject) end
    from pilot.subject() as subject, pilot.organisation() as organisation
$$;

create function pilot.grantees() returns text[]
language sql stable set search_path = '' as $$
    select array_remove(array[subject, organisation], null)
    from pilot.subject() as subject, pilot.organisation() as organisation
    where subject is not null
$$;

-- Roles as numbers: 0 viewer, 1 runner, 2 editor, 3 admin.
create function pilot.rank_of(p_role text) returns integer
language sql immutable set search_path = '' as $$
    select array_position(array['viewer', 'runner', 'editor', 'admin'], p_role) - 1
$$;

-- The user's own in their tenant. Clerk makes `admin` and `member` (once `basic_member`); what an
-- organisation calls its roles otherwise may only look.
create function pilot.rank() returns integer
language sql stable set search_path = '' as $$
    select case
        when pilot.organisation() is null then 3
        else case regexp_replace(
            case
                when jsonb_typeof(claims -> 'o') = 'object' then claims -> 'o' ->> 'rol'
                else claims ->> 'org_role'
            end, '^org:', '')
            when 'admin' then 3
            when 'member' then 2
            when 'basic_member' then 2
            when 'editor' then 2
            when 'runner' then 1
            else 0
        end
    end
    from auth.jwt() as claims
$$;

-- The tenant, where the user's role in it is that high. Null is equal to no owner.
create function pilot.tenant_as(p_rank integer) returns text
language sql stable set search_path = '' as $$
    select case when pilot.rank() >= p_rank then pilot.tenant() end
$$;

-- The workflows that are shared with the user, by that role or a higher one. As their owner,
-- because the policies of workflows and of shares would ask each other for ever.
create function pilot.shared_as(p_rank integer) returns text[]
language sql stable security definer set search_path = '' as $$
    select coalesce(array_agg(workflow_id), '{}') from public.shares
    where grantee = any (pilot.grantees()) and pilot.rank_of(role) >= p_rank
$$;

revoke all on all functions in schema pilot from public;
grant execute on all functions in schema pilot to authenticated, service_role;

-- Tables.

do $$
declare
    v_table text;
begin
    foreach v_table in array array[
        'workflows', 'workflow_versions', 'executions', 'node_runs', 'events', 'secrets', 'shares',
        'api_keys', 'usage', 'usage_days', 'usage_reservations', 'budgets', 'llm_calls',
        'llm_answers', 'alembic_version'
    ] loop
        execute format('alter table public.%I enable row level security', v_table);
        execute format('alter table public.%I force row level security', v_table);
        execute format('revoke all on public.%I from public, anon, authenticated', v_table);
        execute format('grant all on public.%I to service_role', v_table);
    end loop;
end
$$;

-- A policy's `(select …)` is worked out once a statement, not once a row.

grant select, insert on public.workflows to authenticated;
grant update (name, description, version, content_hash, updated_at, deleted_at)
    on public.workflows to authenticated;
create policy workflows_read on public.workflows for select to authenticated using (
    owner = (select pilot.tenant())
    or id = any ((select pilot.shared_as(0))::text[])
);
create policy workflows_add on public.workflows for insert to authenticated with check (
    owner = (select pilot.tenant_as(2)) and deleted_at is null
);
create policy workflows_change on public.workflows for update to authenticated using (
    owner = (select pilot.tenant_as(2))
    or id = any ((select pilot.shared_as(2))::text[])
) with check (
    owner = (select pilot.tenant_as(3))
    or deleted_at is null and (
        owner = (select pilot.tenant_as(2))
        or id = any ((select pilot.shared_as(2))::text[])
    )
);

grant select, insert on public.workflow_versions to authenticated;
create policy workflow_versions_read on public.workflow_versions for select to authenticated using (
    exists (select from public.workflows where workflows.id = workflow_versions.workflow_id)
);
create policy workflow_versions_add on public.workflow_versions for insert to authenticated
with check (
    workflow_id = any ((select pilot.shared_as(2))::text[])
    or exists (
        select from public.workflows
        where workflows.id = workflow_versions.workflow_id
            and workflows.owner = (select pilot.tenant_as(2))
    )
);

-- To start a run is the API's alone, which sees to budgets, rates and slots first, and what a run
-- comes to is for the worker to say.
grant select on public.executions to authenticated;
grant update (cancel_requested_at) on public.executions to authenticated;
create policy executions_read on public.executions for select to authenticated using (
    owner = (select pilot.tenant())
    or workflow_id = any ((select pilot.shared_as(0))::text[])
);
create policy executions_change on public.executions for update to authenticated using (
    owner = (select pilot.tenant_as(1))
    or workflow_id = any ((select pilot.shared_as(1))::text[])
);

grant select on public.node_runs, public.events to authenticated;
create policy node_runs_read on public.node_runs for select to authenticated using (
    exists (select from public.executions where executions.id = node_runs.execution_id)
);
create policy events_read on public.events for select to authenticated using (
    exists (select from public.executions where executions.id = events.execution_id)
);

grant select, insert, delete on public.shares to authenticated;
grant update (role) on public.shares to authenticated;
create policy shares_read on public.shares for select to authenticated using (
    grantee = any ((select pilot.grantees())::text[])
    or exists (
        select from public.workflows
        where workflows.id = shares.workflow_id and workflows.owner = (select pilot.tenant())
    )
);
create policy shares_change on public.shares for all to authenticated using (
    exists (
        select from public.workflows
        where workflows.id = shares.workflow_id and workflows.owner = (select pilot.tenant_as(3))
    )
);

-- A secret's value, sealed as it is, is read by nobody but the worker.
grant select (owner, name, created_at, updated_at) on public.secrets to authenticated;
grant insert, delete on public.secrets to authenticated;
grant update (ciphertext, key_id, updated_at) on public.secrets to authenticated;
create policy secrets_read on public.secrets for select to authenticated using (
    owner = (select pilot.tenant_as(2))
);
create policy secrets_change on public.secrets for all to authenticated using (
    owner = (select pilot.tenant_as(3))
);

grant select on public.usage_days to authenticated;
create policy usage_days_read on public.usage_days for select to authenticated using (
    owner = (select pilot.tenant())
);

grant select, insert, update, delete on public.budgets to authenticated;
create policy budgets_read on public.budgets for select to authenticated using (
    owner = (select pilot.tenant())
);
create policy budgets_change on public.budgets for all to authenticated using (
    owner = (select pilot.tenant_as(3))
);

-- Of api_keys, usage, usage_reservations, llm_calls and llm_answers nobody but `service_role` has
-- anything: no grant, and no policy.

-- `updated_at` of a change that does not say it. Not of secrets: one that is sealed by another key
-- has the same value as before.

create function pilot.touch() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.updated_at := clock_timestamp();
    return new;
end
$$;
revoke all on function pilot.touch() from public;

create trigger workflows_touch
    before update of name, description, version, content_hash on public.workflows
    for each row when (
        new.updated_at = old.updated_at
        and (new.name, new.description, new.version, new.content_hash)
            is distinct from (old.name, old.description, old.version, old.content_hash)
    )
    execute function pilot.touch();

create trigger budgets_touch
    before update on public.budgets
    for each row when (
        new.updated_at = old.updated_at
        and (new.tokens_per_day, new.cost_per_day)
            is distinct from (old.tokens_per_day, old.cost_per_day)
    )
    execute function pilot.touch();
