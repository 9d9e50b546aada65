"""Rows that there are, for requests to be about; made where there are none."""

import functools
import itertools
import os
import time
import uuid

import requests

ROLE = os.environ["API_ROLE"]
URL = os.environ.get("API_URL", "")
LOGIN = {"email": os.environ.get("API_EMAIL", ""), "password": os.environ.get("API_PASSWORD", "")}
# A receiver of webhooks that refuses every connection.
NOBODY = "https://127.0.0.1:1/hooks"
# How long a list of rows is good enough.
SECONDS = 0.5

# What is referred to, by name.
REFERENCES = {
    "team_id": "teams",
    "category_id": "categories",
    "template_id": "templates",
    "project_id": "projects",
    "service_id": "services",
}

count = itertools.count()
session = {}
known = {}
used_keys = set()


def log_in():
    return requests.post(f"{URL}/api/auth/login", json=LOGIN, timeout=10).json()


def credentials():
    if ROLE == "admin":
        return {"X-API-Key": os.environ["API_KEY"]}
    if not session:
        session.update(log_in())
    return {"Authorization": f"Bearer {session['access_token']}"}


def forget_session():
    session.clear()


def call(method, path, body=None):
    return requests.request(method, URL + path, json=body, headers=credentials(), timeout=10)


@functools.cache
def me():
    return call("GET", "/api/auth/me").json()["id"]


def make(collection):
    """Makes a row of a collection, if the caller may."""
    name = uuid.uuid4().hex
    if collection == "sessions":
        return log_in()
    bodies = {
        "teams": lambda: {"name": name, "slug": name},
        "users": lambda: {"email": f"{name}@example.org", "password": name},
        "settings": lambda: {"key": name, "value": 1},
        "api-keys": lambda: {"name": name},
        "notifications": lambda: {"user_id": me(), "type": "test.made", "title": name},
        "team-members": lambda: {"team_id": an_id("teams"), "user_id": an_id("users")},
        "routes": lambda: {"name": name, "path": f"/{name}", "upstream": "http://localhost:1"},
        "webhooks": lambda: {"name": name, "url": NOBODY, "events": ["teams.*"]},
        "categories": lambda: {"name": name},
        "technologies": lambda: {"name": name, "kind": "tool"},
        "templates": lambda: {"name": name},
        "projects": lambda: {"name": name},
        "services": lambda: {"name": name},
        "generations": lambda: {"template_id": a_published_template()},
        "entities/users": lambda: {"phone_number": str(uuid.uuid4().int)[:12], "last_name": name},
        "entities/roles": lambda: {"name": name},
        "entities/permissions": lambda: {"code": "a_b", "module": name, "resource": name, "action": "read"},
        "entities/user_activities": lambda: {"user_id": an_id("entities/users"), "activity_type": "login"},
        "entities/user_preferences": lambda: {"user_id": an_id("entities/users")},
        "entities/user_sessions": lambda: {"user_id": an_id("entities/users"), "expires_at": "2999-01-01T00:00:00Z"},
    }
    if collection == "webhook-deliveries":
        # Each team that is made is told of.
        make("webhooks")
        return make("teams")
    # What is recorded, nobody makes.
    return call("POST", f"/api/{collection}", bodies[collection]()) if collection in bodies else None


def a_published_template():
    template = make("templates").json()["id"]
    call("POST", f"/api/templates/{template}/publish", {})
    return template


def running():
    """A generation that somebody is at work on: its id, and the fence that they have."""
    make("generations")
    claimed = call("POST", "/api/generations/claim", {"worker": "the test", "lease_seconds": 60})
    row = claimed.json() if claimed.status_code == 200 else {}
    return row.get("id", str(uuid.uuid4())), row.get("fence", 1)


def ids(collection):
    """The ids of rows of a collection, or of none."""
    since, found = known.get(collection, (0, []))
    if time.monotonic() - since > SECONDS:
        reply = call("GET", f"/api/{collection}?limit=20&fields=id")
        found = [row["id"] for row in reply.json()["data"]] if reply.status_code == 200 else []
        known[collection] = (time.monotonic(), found)
        if len(found) < 3:
            make(collection)
    return found


def an_id(collection):
    """The id of some row, or a made-up one."""
    found = ids(collection)
    return found[next(count) % len(found)] if found else str(uuid.uuid4())


def a_new_id(collection):
    """The id of a row that nothing refers to, or of some row."""
    made = make(collection) if collection != "sessions" else None
    return made.json()["id"] if made is not None and made.status_code == 201 else an_id(collection)


def is_id(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def aim(case):
    """Puts the ids of rows that there are into three requests of four."""
    if next(count) % 4 == 0:
        return
    parts = case.operation.path.removeprefix("/api/").split("/")
    collection = "/".join(parts[:2]) if parts[0] == "entities" else parts[0]
    if collection in ("entities/users", "entities/user_sessions") and ("deleted" in parts or "restore" in parts):
        collection = f"{collection}/deleted"
    if is_id((case.path_parameters or {}).get("id")):
        # Most keys have ended soon: others set when they do. Only one that goes on is rotated. And what others refer to
        # is not deleted.
        needs_new = case.operation.path.endswith("/rotate") or case.method == "DELETE"
        case.path_parameters["id"] = a_new_id(collection) if needs_new else an_id(collection)
    body = case.body if isinstance(case.body, dict) else {}
    users = "entities/users" if parts[0] == "entities" else "users"
    for name, others in (*REFERENCES.items(), ("user_id", users)):
        if is_id(body.get(name)):
            body[name] = an_id(others)
    # Only what somebody is at work on goes on, and only they know how.
    if parts[-1] in ("heartbeat", "complete", "fail") and isinstance(body.get("fence"), int):
        case.path_parameters["id"], body["fence"] = running()
    if "route" in (case.query or {}) and case.operation.path == "/api/gateway/blame":
        case.query["route"] = call("GET", "/api/routes?limit=1").json()["data"][0]["name"]
    # Of the URLs that look like one, few lead anywhere.
    if parts[0] == "webhooks" and isinstance(body.get("url"), str):
        body["url"] = NOBODY
    if case.operation.path == "/api/database/query" and isinstance(body.get("sql"), str):
        body["sql"] = "SELECT email, metadata FROM identity.users LIMIT 3"
    # The right words, for doors that would not open to others.
    if case.operation.path == "/api/auth/login" and set(body) == {"email", "password"}:
        body.update(LOGIN)
    if case.operation.path == "/api/auth/refresh" and isinstance(body.get("refresh_token"), str):
        body["refresh_token"] = log_in()["refresh_token"]
    # schemathesis has few names for requests: one that was used is tried often enough.
    key = (case.headers or {}).get("Idempotency-Key")
    if key in used_keys:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    elif key:
        used_keys.add(key)
