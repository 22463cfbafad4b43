-- Secrets, shares and API keys.
--
-- A cap is counted under an advisory lock of the owner, of the class that the SQL store takes for
-- it: two new ones at once must not both be the last one allowed.

create function public.pilot_put_secret(
    p_owner text, p_name text, p_ciphertext bytea, p_key_id text, p_limit integer
) returns json
language plpgsql set search_path = '' as $$
declare
    v_now timestamptz := clock_timestamp();
    v_created timestamptz;
begin
    perform pg_advisory_xact_lock(7032117, hashtext(p_owner));
    select created_at into v_created from public.secrets where owner = p_owner and name = p_name;
    if found then
        update public.secrets set ciphertext = p_ciphertext, key_id = p_key_id, updated_at = v_now
        where owner = p_owner and name = p_name;
        return json_build_object('created_at', v_created, 'updated_at', v_now, 'is_new', false);
    end if;
    if (select count(*) from public.secrets where owner = p_owner) >= least(p_limit, 200) then
        perform pilot.refused('too_many_secrets', format(
            'a user has at most %s secrets: delete one first', least(p_limit, 200)
        ));
    end if;
    insert into public.secrets (owner, name, key_id, created_at, updated_at, ciphertext)
    values (p_owner, p_name, p_key_id, v_now, v_now, p_ciphertext);
    return json_build_object('created_at', v_now, 'updated_at', v_now, 'is_new', true);
end
$$;

create function public.pilot_secret_summaries(p_owner text) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select name, created_at, updated_at from public.secrets where owner = p_owner
    ) as found
$$;

create function public.pilot_get_secrets(p_owner text, p_names text[]) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select owner, name, encode(ciphertext, 'hex') as ciphertext, key_id
        from public.secrets
        where owner = p_owner and name = any (p_names)
    ) as found
$$;

create function public.pilot_delete_secret(p_owner text, p_name text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.secrets where owner = p_owner and name = p_name;
    if not found then
        perform pilot.missing(format('there is no secret %s', p_name));
    end if;
    return to_json(true);
end
$$;

create function public.pilot_count_secrets() returns json
language sql stable set search_path = '' as $$
    select coalesce(json_object_agg(key_id, count), '{}') from (
        select key_id, count(*) as count from public.secrets group by key_id
    ) as counted
$$;

create function public.pilot_secrets_not_sealed_by(
    p_key_id text, p_after_owner text, p_after_name text, p_size integer
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select owner, name, encode(ciphertext, 'hex') as ciphertext, key_id
        from public.secrets
        where key_id <> p_key_id
            and (p_after_owner is null or (owner, name) > (p_after_owner, p_after_name))
        order by owner, name
        limit p_size
    ) as found
$$;

create function public.pilot_reseal_secret(
    p_owner text, p_name text, p_old bytea, p_ciphertext bytea, p_key_id text
) returns json
language plpgsql set search_path = '' as $$
begin
    update public.secrets set ciphertext = p_ciphertext, key_id = p_key_id
    where owner = p_owner and name = p_name and ciphertext = p_old;
    return to_json(found);
end
$$;

create function public.pilot_put_share(
    p_owner text, p_workflow_id text, p_grantee text, p_role text, p_limit integer
) returns json
language plpgsql set search_path = '' as $$
declare
    v_created timestamptz;
begin
    perform from public.workflows
    where id = p_workflow_id and owner = p_owner and deleted_at is null
    for update;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_workflow_id));
    end if;
    update public.shares set role = p_role
    where workflow_id = p_workflow_id and grantee = p_grantee
    returning created_at into v_created;
    if found then
        return to_json(v_created);
    end if;
    if (select count(*) from public.shares where workflow_id = p_workflow_id)
        >= least(p_limit, 200)
    then
        perform pilot.refused('too_many_shares', format(
            'a workflow is shared with at most %s', least(p_limit, 200)
        ));
    end if;
    insert into public.shares (workflow_id, grantee, role, created_at)
    values (p_workflow_id, p_grantee, p_role, clock_timestamp())
    returning created_at into v_created;
    return to_json(v_created);
end
$$;

create function public.pilot_shares_of_workflow(p_owner text, p_workflow_id text) returns json
language sql stable set search_path = '' as $$
    select (
        select coalesce(json_agg(found), '[]') from (
            select grantee, role, created_at from public.shares
            where shares.workflow_id = workflows.id
        ) as found
    )
    from public.workflows
    where id = p_workflow_id and owner = p_owner and deleted_at is null
$$;

create function public.pilot_delete_share(p_owner text, p_workflow_id text, p_grantee text)
returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.shares
    where grantee = p_grantee and workflow_id in (
        select id from public.workflows
        where id = p_workflow_id and owner = p_owner and deleted_at is null
    );
    if not found then
        perform pilot.missing(format(
            'workflow %s is not shared with %s', p_workflow_id, p_grantee
        ));
    end if;
    return to_json(true);
end
$$;

create function public.pilot_grant_of_execution(p_id text, p_grantees text[]) returns json
language sql stable set search_path = '' as $$
    select json_build_object('owner', executions.owner, 'role', (
        select role from public.shares
        where shares.workflow_id = executions.workflow_id and grantee = any (p_grantees)
        order by pilot.rank_of(role) desc
        limit 1
    ))
    from public.executions
    where id = p_id
$$;

create function public.pilot_grant_of_workflow(p_id text, p_grantees text[]) returns json
language sql stable set search_path = '' as $$
    select json_build_object('owner', workflows.owner, 'role', (
        select role from public.shares
        where shares.workflow_id = workflows.id and grantee = any (p_grantees)
        order by pilot.rank_of(role) desc
        limit 1
    ))
    from public.workflows
    where id = p_id and deleted_at is null
$$;

create function public.pilot_shared_with(
    p_grantees text[], p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, owner, name, description, version, created_at, updated_at, rank
        from public.workflows
        join (
            select workflow_id, max(pilot.rank_of(role)) as rank
            from public.shares
            where grantee = any (p_grantees)
            group by workflow_id
        ) as granted on granted.workflow_id = workflows.id
        where deleted_at is null
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

create function public.pilot_create_api_key(p_key json, p_limit integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_new record;
begin
    select * into v_new from json_to_record(p_key) as new (
        id text, owner text, created_by text, name text, role text, hash text, hint text,
        created_at timestamptz, expires_at timestamptz
    );
    perform pg_advisory_xact_lock(7032119, hashtext(v_new.owner));
    if (select count(*) from public.api_keys where owner = v_new.owner and revoked_at is null)
        >= p_limit
    then
        perform pilot.refused(
            'too_many_api_keys', format('there are %s keys already: revoke one first', p_limit)
        );
    end if;
    insert into public.api_keys
        (id, owner, created_by, name, role, hash, hint, created_at, expires_at)
    values (
        v_new.id, v_new.owner, v_new.created_by, v_new.name, v_new.role, v_new.hash, v_new.hint,
        v_new.created_at, v_new.expires_at
    );
    return to_json(true);
end
$$;

create function public.pilot_list_api_keys(
    p_owner text, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select * from public.api_keys
        where owner = p_owner
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

create function public.pilot_find_api_key(p_hash text) returns json
language sql stable set search_path = '' as $$
    select row_to_json(api_keys) from public.api_keys where hash = p_hash
$$;

create function public.pilot_revoke_api_key(p_owner text, p_id text) returns json
language plpgsql set search_path = '' as $$
begin
    update public.api_keys set revoked_at = coalesce(revoked_at, clock_timestamp())
    where owner = p_owner and id = p_id;
    if not found then
        perform pilot.missing(format('there is no key %s', p_id));
    end if;
    return to_json(true);
end
$$;

create function public.pilot_used_api_key(p_id text, p_at timestamptz) returns json
language plpgsql set search_path = '' as $$
begin
    update public.api_keys set last_used_at = p_at where id = p_id;
    return to_json(found);
end
$$;
