"""The certificate authorities that `https://` servers of datasets and webhooks have to be certified by."""

import os
import ssl
from collections.abc import Mapping

import httpx

from worker.errors import SettingsError

_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trusted_authorities(environ: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Trust the authorities of `SSL_CERT_FILE`, else of `SSL_CERT_DIR`, else those that the package certifi lists.

    Raises:
        SettingsError: the file cannot be read or has no certificate, or the folder does not exist.
    """
    name = next((name for name in _VARIABLES if environ.get(name)), None)
    if name is None:
        return httpx.create_ssl_context(trust_env=False)
    path = environ[name]
    if name == "SSL_CERT_FILE":
        try:
            return ssl.create_default_context(cafile=path)
        except OSError as error:  # an ssl.SSLError is one
            reason = (
                error.strerror if isinstance(error, FileNotFoundError | PermissionError) else "no certificate in it"
            )
            raise SettingsError(name, path, f"a readable PEM file of certificates ({reason})") from error
    if not os.path.isdir(path):  # OpenSSL would trust no authority then, and report nothing
        raise SettingsError(name, path, "a folder of certificates, named as `openssl rehash` names them")
    return ssl.create_default_context(capath=path)
