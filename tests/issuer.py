"""An issuer of tokens on a loopback port: its keys, what it signs, and how its keys are served."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
)
from cryptography.hazmat.primitives.asymmetric.rsa import (
    generate_private_key as generate_rsa_key,
)
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

RSA_KEY: RSAPrivateKey = generate_rsa_key(public_exponent=65_537, key_size=2_048)
OTHER_RSA_KEY: RSAPrivateKey = generate_rsa_key(public_exponent=65_537, key_size=2_048)
EC_KEY: EllipticCurvePrivateKey = generate_private_key(SECP256R1())
SUPABASE_SECRET = "the shared secret of a project, which only tests know, long enough for any"


def now() -> int:
    return int(datetime.now(UTC).timestamp())  # noqa: TID251 - PyJWT asks the machine's clock


def public_keys() -> dict[str, object]:
    """The key set: one RSA key and one of an elliptic curve."""
    rsa = json.loads(RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
    curve = json.loads(ECAlgorithm.to_jwk(EC_KEY.public_key()))
    return {
        "keys": [
            {**rsa, "kid": "rsa", "use": "sig", "alg": "RS256"},
            {**curve, "kid": "ec", "use": "sig", "alg": "ES256"},
            {**rsa, "kid": "for encrypting", "use": "enc"},
        ]
    }


def signed(
    claims: Mapping[str, object],
    *,
    algorithm: str = "RS256",
    key: RSAPrivateKey | EllipticCurvePrivateKey | bytes | None = None,
    header: Mapping[str, object] | None = None,
    **named: object,
) -> str:
    """A token as an issuer signs it; without a key, by the issuer's own for the algorithm."""
    usual = {"RS256": "rsa", "RS512": "rsa", "PS256": "rsa", "ES256": "ec"}
    kid: dict[str, object] = {"kid": usual[algorithm]} if algorithm in usual else {}
    chosen: RSAPrivateKey | EllipticCurvePrivateKey | bytes
    if key is not None:
        chosen = key
    elif algorithm == "ES256":
        chosen = EC_KEY
    elif algorithm.startswith("HS"):
        chosen = SUPABASE_SECRET.encode()
    else:
        chosen = RSA_KEY
    kept = {
        name: value
        for name, value in {**kid, **named, **(header or {})}.items()
        if value is not None
    }
    return jwt.encode(dict(claims), chosen, algorithm=algorithm, headers=kept)


@dataclass(slots=True)
class KeyServer:
    """Serves a key set as it is told to, and counts how often."""

    status: int = 200
    body: bytes = field(default_factory=lambda: json.dumps(public_keys()).encode())
    location: str | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def key_server() -> Iterator[KeyServer]:
    """A server of keys, on a port of this machine."""
    server = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            self.send_response(server.status)
            if server.location is not None:
                self.send_header("location", server.location)
            self.send_header("content-length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()
