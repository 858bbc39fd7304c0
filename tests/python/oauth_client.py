"""Client credentials by an ordinary OAuth client library; prints what it saw as JSON."""

import json
import os

from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import OAuth2Error
from requests_oauthlib import OAuth2Session

token_url, call_url = os.environ["TOKEN_URL"], os.environ["CALL_URL"]
client_id = os.environ["CLIENT_ID"]


def session():
    return OAuth2Session(client=BackendApplicationClient(client_id=client_id))


good = session()
token = good.fetch_token(token_url, client_id=client_id, client_secret=os.environ["CLIENT_SECRET"])
call = good.get(call_url)
good.fetch_token(token_url, client_id=client_id, client_secret=os.environ["CLIENT_SECRET"])
renewed = good.get(call_url)

error = None
try:
    session().fetch_token(token_url, client_id=client_id, client_secret=os.environ["WRONG_SECRET"])
except OAuth2Error as refused:
    error = refused.error

print(
    json.dumps(
        {
            "token_type": token["token_type"],
            "expires_in": token["expires_in"],
            "call": call.status_code,
            "identity": call.json()["identity"]["x-postern-person"],
            "call_after_renewal": renewed.status_code,
            "error": error,
        }
    )
)
