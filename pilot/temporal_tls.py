"""TLS to Temporal: when the connection is encrypted, and who shows which certificate."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from pydantic import SecretStr
from temporalio.service import TLSConfig

from pilot.errors import SettingsError
from pilot.settings import Settings

PEM = "-----BEGIN "


def is_loopback(address: str) -> bool:
    """Whether `host:port` is this machine."""
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def tls_of(settings: Settings) -> TLSConfig | None:
    """What the connection to the configured server is encrypted by; None: it is in the clear.

    Over TLS where anything of TEMPORAL_TLS_* asks for it, or where there is an API key for
    another machine. In development a server on this machine is the embedded one, which speaks
    no TLS, whatever `.env` holds for the cloud.

    Raises SettingsError for what contradicts itself, cannot be read or does not belong together.
    """
    certificate, key = settings.temporal_tls_cert, settings.temporal_tls_key
    authority, name = settings.temporal_tls_ca, settings.temporal_tls_server_name
    asked = any(value is not None for value in (certificate, key, authority, name))
    if settings.temporal_tls is False:
        if asked:
            raise SettingsError("TEMPORAL_TLS is false, but other TEMPORAL_TLS_* are set.")
        if settings.temporal_api_key is not None and not is_loopback(settings.temporal_address):
            raise SettingsError(
                "TEMPORAL_TLS is false, and TEMPORAL_API_KEY would travel in the clear."
            )
        return None
    if (certificate is None) != (key is None):
        raise SettingsError(
            "TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY go together: set both, or neither."
        )
    if is_loopback(settings.temporal_address):
        if settings.is_development or not (asked or settings.temporal_tls):
            return None
    elif not (asked or settings.temporal_tls or settings.temporal_api_key is not None):
        return None
    return TLSConfig(
        server_root_ca_cert=None if authority is None else _authority(authority),
        domain=name,
        client_cert=None if certificate is None else _pem("TEMPORAL_TLS_CERT", certificate),
        client_private_key=None if certificate is None or key is None else _key(certificate, key),
    )


def _authority(value: str) -> bytes:
    pem = _pem("TEMPORAL_TLS_CA", value)
    _certificate("TEMPORAL_TLS_CA", pem)
    return pem


def _key(certificate: str, value: SecretStr) -> bytes:
    """The private key, which must be the certificate's."""
    pem = _pem("TEMPORAL_TLS_KEY", value.get_secret_value())
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        # what the library says may quote the key
        raise SettingsError("TEMPORAL_TLS_KEY: no private key without a password") from None
    shown = _certificate("TEMPORAL_TLS_CERT", _pem("TEMPORAL_TLS_CERT", certificate))
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != shown.public_key().public_bytes(*form):
        raise SettingsError("TEMPORAL_TLS_KEY is not the key of the certificate TEMPORAL_TLS_CERT.")
    return pem


def _certificate(variable: str, pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise SettingsError(f"{variable}: no certificate in PEM") from None


def _pem(variable: str, value: str) -> bytes:
    """The PEM itself, or the file's. In an environment variable its lines may be parted by
    `\\n` written out, as many platforms can hold nothing else."""
    if PEM in value:
        return value.replace("\\n", "\n").encode()
    try:
        return Path(value).read_bytes()
    except OSError as error:
        # not the path: it may be a key, pasted badly
        raise SettingsError(f"{variable}: cannot read the file ({error.strerror})") from None
    except ValueError:
        raise SettingsError(f"{variable}: neither a path nor PEM") from None
