"""Prints what `.env` needs for PostgREST: the keys whose tokens it takes (Clerk's, for people, and
one of its own), and the two tokens signed by its own. Each call makes a new one.

    docker compose run --rm -T --no-deps --entrypoint python api - < deploy/supabase/keys.py
"""

import json
import os
import secrets
from urllib.request import urlopen

import jwt
from jwt.utils import base64url_encode

issuer = os.environ["CLERK_JWT_ISSUER"].rstrip("/")
with urlopen(f"{issuer}/.well-known/jwks.json", timeout=30) as answer:  # noqa: S310 (the operator's own)
    keys = json.load(answer)["keys"]
secret = secrets.token_bytes(48)
keys.append({"kty": "oct", "alg": "HS256", "k": base64url_encode(secret).decode()})
print(f"SUPABASE_JWKS={json.dumps({'keys': keys}, separators=(',', ':'))}")
for variable, role in (("SUPABASE_KEY", "anon"), ("SUPABASE_SERVICE_KEY", "service_role")):
    token = jwt.encode({"role": role, "iss": "supabase"}, secret, algorithm="HS256")
    print(f"{variable}={token}")
