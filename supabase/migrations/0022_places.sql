-- Places at models under the operator's limits (pilot.store.places): held, or waited for; and when
-- the buckets of limits by the minute are full. The worker's alone.

create table if not exists public.model_places (
    limit_key text not null,
    holder text not null,
    whose text not null,
    token text not null,
    held boolean not null,
    ticket timestamptz not null,
    until timestamptz not null,
    constraint pk_model_places primary key (limit_key, holder)
);
create index if not exists ix_model_places_holder on public.model_places (holder);
create table if not exists public.model_rates (
    limit_key text not null,
    full_at timestamptz not null,
    constraint pk_model_rates primary key (limit_key)
);

alter table public.model_places enable row level security;
alter table public.model_places force row level security;
alter table public.model_rates enable row level security;
alter table public.model_rates force row level security;
revoke all on public.model_places, public.model_rates from public, anon, authenticated;
grant all on public.model_places, public.model_rates to service_role;

create function public.pilot_take_place(
    p_key text, p_token text, p_whose text, p_bounds json, p_lease_s double precision,
    p_present_s double precision
) returns json
language plpgsql set search_path = '' as $$
declare
    v_now timestamptz;
    v_patterns text[];
    v_refused text[] := '{}';
    v_ticket timestamptz;
    v_limit record;
    v_room double precision;
    v_due_s double precision;
    v_present bigint;
    v_ahead bigint;
    v_after_s double precision;
    v_answer json;
    v_worst double precision[];
begin
    select array_agg(pattern order by pattern collate "C") into v_patterns
    from json_to_recordset(p_bounds) as given (pattern text);
    perform pg_advisory_xact_lock(7032120, hashtext(pattern)) from unnest(v_patterns) as pattern;
    v_now := clock_timestamp();

    if (
        select count(*) = array_length(v_patterns, 1) from public.model_places
        where limit_key = any (v_patterns) and holder = p_key and held and token = p_token
    ) then
        update public.model_places set until = v_now + p_lease_s * interval '1 second'
        where limit_key = any (v_patterns) and holder = p_key;
        return null;
    end if;

    select min(ticket) into v_ticket from public.model_places
    where limit_key = any (v_patterns) and holder = p_key;
    if v_ticket is null then
        select v_now + interval '10 seconds' * coalesce(max(own), 0) into v_ticket from (
            select count(*) as own from public.model_places
            where limit_key = any (v_patterns) and holder <> p_key and whose = p_whose
                and until > case when held then v_now else v_now - interval '5 minutes' end
            group by limit_key
        ) as counted;
    end if;
    delete from public.model_places
    where holder <> p_key and limit_key = any (v_patterns)
        and (held and until <= v_now or until <= v_now - interval '1 hour');

    for v_limit in
        select given.*, greatest(coalesce(full_at, v_now), v_now) as full_at
        from json_to_recordset(p_bounds) as given (
            pattern text, in_flight integer, burst integer, interval_s double precision
        )
        left join public.model_rates on limit_key = pattern
    loop
        v_room := 'infinity';
        v_due_s := 0;
        if v_limit.in_flight is not null then
            select v_limit.in_flight - count(*) into v_room from public.model_places
            where limit_key = v_limit.pattern and holder <> p_key and held and until > v_now;
        end if;
        if v_limit.interval_s is not null then
            v_due_s := extract(epoch from v_limit.full_at - v_now)
                - (v_limit.burst - 1) * v_limit.interval_s;
            v_room := least(v_room, case
                when v_due_s > 0 then 0 else floor(-v_due_s / v_limit.interval_s + 1e-9) + 1
            end);
        end if;
        select count(*) filter (where until > v_now), count(*) into v_present, v_ahead
        from public.model_places
        where limit_key = v_limit.pattern and holder <> p_key and not held
            and until > v_now - interval '5 minutes'
            and (ticket, holder collate "C") < (v_ticket, p_key);
        if v_room <= v_present then
            v_refused := v_refused || v_limit.pattern;
            v_after_s := case when v_limit.interval_s is null then 0
                else greatest(v_due_s + v_ahead * v_limit.interval_s, 0) end;
            if v_worst is null or array[v_after_s, v_ahead] > v_worst then
                v_worst := array[v_after_s, v_ahead];
                v_answer := json_build_object(
                    'pattern', v_limit.pattern, 'ahead', v_ahead, 'after_s', v_after_s
                );
            end if;
        end if;
    end loop;

    delete from public.model_places
    where holder = p_key and v_answer is not null and limit_key <> all (v_refused);
    insert into public.model_places (limit_key, holder, whose, token, held, ticket, until)
    select pattern, p_key, p_whose, p_token, v_answer is null, v_ticket,
        v_now + interval '1 second' * case when v_answer is null then p_lease_s else p_present_s end
    from unnest(case when v_answer is null then v_patterns else v_refused end) as pattern
    on conflict (limit_key, holder) do update
    set held = excluded.held, token = excluded.token, ticket = excluded.ticket,
        until = excluded.until;
    if v_answer is null then
        insert into public.model_rates (limit_key, full_at)
        select pattern, v_now + interval '1 second' * interval_s
        from json_to_recordset(p_bounds) as given (pattern text, interval_s double precision)
        where interval_s is not null
        on conflict (limit_key) do update
        set full_at = greatest(model_rates.full_at, v_now) + (excluded.full_at - v_now);
    end if;
    return v_answer;
end
$$;

create function public.pilot_renew_place(
    p_key text, p_token text, p_whose text, p_patterns text[], p_lease_s double precision
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.model_places (limit_key, holder, whose, token, held, ticket, until)
    select pattern, p_key, p_whose, p_token, true, clock_timestamp(),
        clock_timestamp() + p_lease_s * interval '1 second'
    from unnest(p_patterns) as pattern
    order by pattern collate "C"
    on conflict (limit_key, holder) do update set held = true, until = excluded.until
    where model_places.token = excluded.token;
    return null;
end
$$;

create function public.pilot_defer_place(p_key text, p_token text, p_present_s double precision)
returns json
language plpgsql set search_path = '' as $$
begin
    update public.model_places set until = clock_timestamp() + p_present_s * interval '1 second'
    where holder = p_key and token = p_token and not held;
    return null;
end
$$;

create function public.pilot_give_back_place(p_key text, p_token text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.model_places where holder = p_key and token = p_token;
    return null;
end
$$;

create function public.pilot_places_taken() returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select limit_key,
            count(*) filter (where held and until > clock_timestamp()) as held,
            count(*) filter (
                where not held and until > clock_timestamp() - interval '5 minutes'
            ) as waiting
        from public.model_places group by limit_key
    ) as found
$$;

revoke all on function
    public.pilot_take_place(text, text, text, json, double precision, double precision),
    public.pilot_renew_place(text, text, text, text[], double precision),
    public.pilot_defer_place(text, text, double precision),
    public.pilot_give_back_place(text, text),
    public.pilot_places_taken()
    from public, anon, authenticated;
grant execute on function
    public.pilot_take_place(text, text, text, json, double precision, double precision),
    public.pilot_renew_place(text, text, text, text[], double precision),
    public.pilot_defer_place(text, text, double precision),
    public.pilot_give_back_place(text, text),
    public.pilot_places_taken()
    to service_role;
update public.alembic_version set version_num = '0019' where version_num < '0019';
notify pgrst, 'reload schema';
