"""Authlib: a client with a secret and one that signs with its own key; code flow with PKCE, ID token, refresh."""

import os

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "true"
REDIRECT_URI = "http://127.0.0.1:9/callback"
metadata = requests.get(os.environ["ISSUER"] + "/.well-known/openid-configuration", timeout=10).json()
assert metadata["issuer"] == os.environ["ISSUER"]


def visit(url):
    print("visit", url, flush=True)
    return input()


def register(**more):
    document = {"redirect_uris": [REDIRECT_URI], "client_name": "Authlib", **more}
    answer = requests.post(metadata["registration_endpoint"], json=document, timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json()


def sign_in(session):
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    token = session.fetch_token(
        metadata["token_endpoint"], authorization_response=visit(url), state=state, code_verifier=verifier
    )
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": session.client_id},
        nonce={"essential": True, "value": nonce},
        exp={"essential": True},
    )
    rules.validate(claims)
    assert claims["sub"] == "ada"
    user = session.get(metadata["userinfo_endpoint"]).json()
    assert user["email"] == "ada@example.com", user
    old = token["refresh_token"]
    renewed = session.refresh_token(metadata["token_endpoint"], refresh_token=old)
    assert renewed["refresh_token"] != old
    assert session.get(metadata["userinfo_endpoint"]).status_code == 200


OPTIONS = {"redirect_uri": REDIRECT_URI, "scope": "openid profile email", "code_challenge_method": "S256"}

for method in ["client_secret_basic", "client_secret_post"]:
    client = register(token_endpoint_auth_method=method)
    secret = client["client_secret"]
    sign_in(OAuth2Session(client["client_id"], secret, token_endpoint_auth_method=method, **OPTIONS))

key = ECKey.generate_key("P-256", parameters={"kid": "authlib"})
client = register(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
session = OAuth2Session(
    client["client_id"], key, token_endpoint_auth_method="private_key_jwt", **OPTIONS
)
session.register_client_auth_method(
    PrivateKeyJWT(metadata["token_endpoint"], alg="ES256", headers={"kid": "authlib"})
)
sign_in(session)
