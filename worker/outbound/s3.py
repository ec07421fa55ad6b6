"""Signs a request to S3 (AWS Signature Version 4).

Only the signature is botocore's. Its client would resolve names and connect by itself, bypassing the guard, and would
look for credentials outside of the environment.
"""

from worker.s3 import S3Access


def signed_headers(access: S3Access, url: str, **more: str) -> dict[str, str]:
    """The headers that sign a GET of `url`; empty without credentials.

    Args:
        more: further headers to sign.
    """
    if access.key_id is None or access.secret is None:
        return {}
    # Imported only for a signature: it takes a third of a second.
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", url, headers=more)
    S3SigV4Auth(Credentials(access.key_id, access.secret, access.token), "s3", access.region).add_auth(request)
    return dict(request.headers)
