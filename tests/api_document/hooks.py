"""What schemathesis has to know beside the document: who calls, and the few rules that OpenAPI has no words for."""

import os

import requests
import schemathesis
from hypothesis import strategies as st

ROLE = os.environ["API_ROLE"]
KEY = os.environ.get("API_KEY", "")
EMAIL = os.environ.get("API_EMAIL", "")
PASSWORD = os.environ.get("API_PASSWORD", "")
URL = os.environ["API_URL"]

# JSON Schema counts characters, bcrypt counts bytes: 71 of them at most, and at least 8 characters.
# PostgreSQL keeps no U+0000, and UTF-8 has no surrogates.
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
schemathesis.openapi.format("password", st.text(letters, min_size=8, max_size=17))

if ROLE == "admin":

    @schemathesis.auth()
    class ApiKey:
        """An API key that may do everything."""

        def get(self, case, context):
            return KEY

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), "X-API-Key": data}


if ROLE == "user":

    tokens = []

    @schemathesis.auth(refresh_interval=None)
    class Session:
        """A session, and another one as soon as it has ended: so that logging out can be tried like anything else."""

        def get(self, case, context):
            if not tokens:
                login = {"email": EMAIL, "password": PASSWORD}
                reply = requests.post(f"{URL}/api/auth/login", json=login, timeout=10)
                tokens.append(reply.json()["access_token"])
            return tokens[-1]

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    @schemathesis.hook
    def after_call(context, case, response):
        if response.status_code == 401:
            tokens.clear()


def detail(response):
    try:
        return response.json().get("detail", "")
    except (ValueError, AttributeError):
        return ""


def faults(response):
    try:
        return {fault["field"] for fault in response.json().get("fields", [])}
    except (ValueError, AttributeError):
        return set()


def messages(response):
    try:
        return {fault["message"] for fault in response.json().get("fields", [])}
    except (ValueError, AttributeError):
        return set()


def has_large_integer(value):
    if isinstance(value, dict):
        return any(has_large_integer(item) for item in value.values())
    if isinstance(value, list):
        return any(has_large_integer(item) for item in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**64


def is_known(case, response):
    """Whether a request was refused for a rule that OpenAPI 3.1 has no words for. Each is as narrow as it can be: what the
    request was and what the reply said, both."""
    query, headers = case.query or {}, {name.lower(): value for name, value in (case.headers or {}).items()}
    says, path, status = detail(response), case.operation.path, response.status_code
    # Not two parameters together, or one of two at least, or their product.
    if status == 400 and "cursor" in query and says.startswith("cursor "):
        return True
    if status == 400 and "page" in query and says.startswith("page= reaches "):
        return True
    if status == 400 and not query and case.method in ("PATCH", "DELETE") and says.startswith("name a filter"):
        return True
    # How long all parameters are together.
    if status == 414 and len(response.request.url) > 8000:
        return True
    # JSON Schema knows no precision: 2**70 is an integer like any other, which most programs read as another one.
    if status == 400 and has_large_integer(case.body) and says.startswith("the number "):
        return True
    # Whether a name has been used before, for something else.
    if status == 422 and "idempotency-key" in headers and faults(response) == {"Idempotency-Key"}:
        return True
    # Which version a row is at.
    if status == 412 and "if-match" in headers:
        return True
    # Who is calling.
    if status == 422 and ROLE == "user" and messages(response) == {"may only be set by an administrator"}:
        return True
    # How often somebody has tried before.
    if status == 423 and path == "/api/auth/login":
        return True
    # What came by mail.
    if status == 422 and path in ("/api/auth/reset", "/api/auth/verify-email") and faults(response) == {"token"}:
        return True
    return False


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps a failure, unless it is a good request that was refused for one of these rules."""
    return not (type(failure).__name__ == "RejectedPositiveData" and is_known(case, response))
