"""The rules that OpenAPI 3.1 has no words for: what is good by the document, and refused all the same."""


def problem(response):
    try:
        body = response.json()
    except ValueError:
        body = {}
    return body if isinstance(body, dict) else {}


def has_long_number(value):
    if isinstance(value, dict):
        return any(has_long_number(item) for item in value.values())
    if isinstance(value, list):
        return any(has_long_number(item) for item in value)
    return isinstance(value, float) or isinstance(value, int) and not -(2**63) <= value < 2**64


# The beginnings of paths, and of the faults that they may have the ends of fields and parts of messages.
EXCUSED = [
    ("/api/routes", "strip_path", "must be what path begins with"),
    ("/api/gateway", "strip_path", "must be what path begins with"),
    # A host has at most 253 letters.
    ("/api/routes", "upstream", "must be an http"),
    ("/api/routes", "jwks_url", "must be an http"),
    ("/api/webhook-events", "source", "must be another system's"),
    ("/api/webhooks", "url", "must "),
    ("/api/gateway", "url", "of "),
    ("/api/gateway", "upstream", "of "),
    ("/api/gateway", "jwks_url", "of "),
    ("/api/gateway", "name", "of "),
    ("/api/templates", "files", "must not have "),
    ("/api/templates", "parameters", ""),
    ("/api/templates", "technologies", "must be slugs of technologies that are"),
    ("/api/services", "status", "must "),
    ("/api/services", "health_check_url", "must be given where"),
    ("/api/entities/user_sessions", "expires_at", "must be after"),
    ("/api/generations", "template_id", ""),
    ("/api/generations", "template_version", ""),
    ("/api/generations", "project_id", ""),
    ("/api/generations", "service_id", ""),
    ("/api/generations", "input_params", ""),
]


def is_excused(path, fault):
    field, message = fault["field"], fault["message"]
    # Texts, and objects that stand for secrets: what is in them, the document says in words.
    if path.startswith("/api/services") and field.startswith("environment_vars"):
        return True
    # Names that are the same to whoever takes no notice of case.
    if message.endswith("is there twice: case makes no difference"):
        return True
    # What each way to prove who one is has to be told.
    if path.startswith(("/api/routes", "/api/gateway")) and "auth." in field and " the type " in message:
        return True
    return any(
        path.startswith(start) and field.endswith(end) and words in message for start, end, words in EXCUSED
    )


def is_known(case, response, role):
    """Whether a request was refused for one of these rules. Each is as narrow as it can be: what the request was and what
    the reply said, both."""
    query, headers = case.query or {}, {name.lower(): value for name, value in (case.headers or {}).items()}
    path, status, error = case.operation.path, response.status_code, problem(response)
    says = error.get("detail", "")
    fields = {fault["field"] for fault in error.get("fields", [])}
    messages = {fault["message"] for fault in error.get("fields", [])}
    # Not two parameters together, or one of them at least, or what they come to.
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
    if status == 400 and has_long_number(case.body) and says.startswith("the number "):
        return True
    # Whether a name has been used before, for something else.
    if status == 422 and "idempotency-key" in headers and fields == {"Idempotency-Key"}:
        return True
    # What the parts of a body, or a body and what is there, are to each other.
    if status == 422 and error.get("fields") and all(is_excused(path, fault) for fault in error["fields"]):
        return True
    if status == 400 and {"q", "sort"} <= set(query) and says.startswith("sort is not known together with q"):
        return True
    # Which version a row is at.
    if status == 412 and "if-match" in headers:
        return True
    # What SQL is.
    if path == "/api/database/query" and status == 400 and error.get("code") == "QUERY_EXECUTION_ERROR":
        return True
    # Who is calling.
    if status == 422 and role == "user" and messages == {"may only be set by an administrator"}:
        return True
    # How often somebody has tried before.
    if status == 423 and path == "/api/auth/login":
        return True
    # What came by mail.
    return status == 422 and path in ("/api/auth/reset", "/api/auth/verify-email") and fields == {"token"}
