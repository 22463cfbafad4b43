"""The page's Content-Security-Policy: its own files, its own API, and Clerk where it signs in.

Nothing inline runs, and styles that the editor makes at run time carry the answer's nonce. Clerk's
component brings inline styles and its own hosts
(https://clerk.com/docs/guides/secure/best-practices/csp-headers).
"""

from __future__ import annotations

from pilot.settings import Settings, frontend_url

_CAPTCHA = "https://challenges.cloudflare.com"


def content_security_policy(settings: Settings, nonce: str) -> str:
    """The header's value, for a page that holds this nonce."""
    sources = {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", f"'nonce-{nonce}'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    key = settings.clerk_publishable_key
    if key is not None:
        clerk = frontend_url(key)
        sources["script-src"] += [clerk, _CAPTCHA]
        sources["connect-src"] += [clerk]
        sources["img-src"] += ["https://img.clerk.com"]
        sources["frame-src"] = [_CAPTCHA]
        sources["worker-src"] = ["'self'", "blob:"]
        # a nonce would switch 'unsafe-inline' off
        sources["style-src"] = ["'self'", "'unsafe-inline'"]
    return "; ".join(f"{name} {' '.join(values)}" for name, values in sources.items())
