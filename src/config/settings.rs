//! `SETTINGS`: every setting, once. The parser, `mainstay config --help`, `etc/mainstay.env.example` and the README's table are
//! all made from it.

use super::setting::Fallback::{self, Value, Words};
use super::setting::{Group, Setting, setting};
use super::value::Kind;

/// What must be set in production.
pub(super) const REQUIRED: Fallback = Words("required in production; else one is made and kept in MAINSTAY_DATA");
const NONE: Fallback = Words("none");
const CONNECTIONS: Kind = Kind::Integer(1, 1000);
const CONNECTIONS_MIN: Kind = Kind::Integer(0, 1000);
const DAYS: Kind = Kind::Integer(1, 36_500);

/// All settings, in the order in which people read them.
pub const SETTINGS: &[Group] = &[
    Group {
        title: "Server",
        settings: &[
            setting(
                "APP_ENV",
                Kind::Choice(&["development", "production", "test"]),
                Value("development"),
                "What the server is for. In production nothing is open or made up that was not asked for.",
            )
            .aliases(&["NODE_ENV"]),
            setting("HOST", Kind::Text, Value("127.0.0.1"), "The address to listen on."),
            setting("PORT", Kind::Integer(0, 65535), Value("8080"), "The port to listen on; 0 takes a free one."),
            setting(
                "SERVER_THREADS",
                Kind::Integer(1, 1024),
                Words("twice the connections of all pools, at least 16"),
                "Threads that handle requests: how many may wait for the database at the same time.",
            ),
            setting(
                "SHUTDOWN_TIMEOUT",
                Kind::Duration,
                Value("20s"),
                "How long running requests may take to finish when the server is told to stop.",
            ),
            setting(
                "MAINSTAY_DATA",
                Kind::Path,
                Value("./var"),
                "Where mainstay keeps files of its own, the embedded database among them.",
            ),
            setting(
                "LOG_LEVEL",
                Kind::Choice(&["error", "warn", "info", "debug", "trace", "off"]),
                Value("info"),
                "The least important messages that are logged.",
            ),
        ],
    },
    Group {
        title: "Where the database is",
        settings: &[
            setting(
                "DATABASE_URL",
                Kind::Database,
                Words("the settings below; without them, an embedded database in MAINSTAY_DATA"),
                "The database as a URL or as key=value pairs; several hosts may be named.",
            )
            .secret(),
            setting("DB_HOST", Kind::Text, NONE, "The database's host, or the folder of its Unix socket.")
                .aliases(&["POSTGRES_HOST"]),
            setting("DB_PORT", Kind::Integer(1, 65535), Value("5432"), "The database's port.")
                .aliases(&["POSTGRES_PORT"]),
            setting("DB_NAME", Kind::Text, Value("mainstay"), "The database's name.").aliases(&["POSTGRES_DB"]),
            setting("DB_USER", Kind::Text, Value("mainstay"), "The user to connect as.").aliases(&["POSTGRES_USER"]),
            setting("DB_PASSWORD", Kind::Text, NONE, "That user's password.").aliases(&["POSTGRES_PASSWORD"]).secret(),
            setting(
                "DB_SSL_MODE",
                Kind::Choice(&["disable", "off", "allow", "prefer", "require", "verify-ca", "verify-full"]),
                Value("prefer"),
                "How the connection is encrypted. Only verify-full makes sure whom one talks to.",
            ),
            setting(
                "DB_SSL_ROOT_CERT",
                Kind::Path,
                Words("the authorities that the system trusts"),
                "The certificate authorities to trust, as a PEM file.",
            ),
            setting(
                "DB_READONLY_URL",
                Kind::Database,
                Words("the primary"),
                "A replica for the readonly pool, as a URL or key=value pairs.",
            )
            .secret(),
        ],
    },
    Group {
        title: "Connections",
        settings: &[
            setting("DB_POOL_MIN", CONNECTIONS_MIN, Value("2"), "Connections that the primary pool keeps open.")
                .aliases(&["DATABASE_POOL_MIN"]),
            setting("DB_POOL_MAX", CONNECTIONS, Value("10"), "Connections that the primary pool may open.")
                .aliases(&["DATABASE_POOL_MAX", "DB_MAX_OPEN_CONNS"]),
            setting(
                "DB_POOL_READONLY_MIN",
                CONNECTIONS_MIN,
                Value("1"),
                "The same for the readonly pool: lists and reports.",
            ),
            setting("DB_POOL_READONLY_MAX", CONNECTIONS, Value("5"), "The same for the readonly pool."),
            setting(
                "DB_POOL_PRIORITY_MIN",
                CONNECTIONS_MIN,
                Value("1"),
                "The same for the priority pool: health and logins.",
            ),
            setting("DB_POOL_PRIORITY_MAX", CONNECTIONS, Value("3"), "The same for the priority pool."),
            setting("DB_POOL_BACKGROUND_MIN", CONNECTIONS_MIN, Value("1"), "The same for the background pool: jobs."),
            setting("DB_POOL_BACKGROUND_MAX", CONNECTIONS, Value("2"), "The same for the background pool."),
            setting(
                "DB_MAX_IDLE_CONNS",
                CONNECTIONS_MIN,
                Words("as many as the pool may open"),
                "Idle connections that the primary pool keeps; more are closed.",
            ),
            setting("DB_CONN_MAX_LIFETIME", Kind::Duration, Value("1h"), "The age at which a connection is replaced."),
            setting(
                "DB_CONN_MAX_IDLE_TIME",
                Kind::Duration,
                Value("30m"),
                "How long a connection beyond the pool's minimum may stay idle.",
            ),
            setting(
                "DB_CONNECT_TIMEOUT",
                Kind::Duration,
                Value("2s"),
                "How long connecting may take, TLS and login included.",
            ),
            setting(
                "DB_ACQUIRE_TIMEOUT",
                Kind::Duration,
                Value("5s"),
                "How long a request waits for a free connection.",
            ),
            setting("DB_QUERY_TIMEOUT", Kind::Milliseconds, Value("60000"), "How long a statement may run."),
            setting("DB_SLOW_QUERY", Kind::Milliseconds, Value("1s"), "A statement that takes longer is logged."),
            setting(
                "DB_HEALTH_CHECK_ENABLED",
                Kind::Boolean,
                Value("true"),
                "Whether /health and /ready ask the database.",
            ),
        ],
    },
    Group {
        title: "HTTP",
        settings: &[
            setting(
                "CORS_ORIGINS",
                Kind::Text,
                NONE,
                "Origins whose pages may call, separated by commas: https://portal.example.org.",
            ),
            setting(
                "TRUSTED_PROXIES",
                Kind::Networks,
                NONE,
                "Proxies whose X-Forwarded-For is believed, as addresses and networks: 10.0.0.0/8, ::1.",
            ),
            setting(
                "RATE_LIMIT",
                Kind::Integer(0, 10_000_000),
                Value("600"),
                "Requests a minute of one user, with all keys, or of one address; 0 is no limit. Each server counts for \
                 itself: three let three times as many through.",
            ),
            setting(
                "RATE_LIMITS",
                Kind::Text,
                NONE,
                "Endpoints with a limit of their own besides: POST /api/gateway/plan=30, GET /api/teams=100.",
            ),
            setting(
                "RATE_LIMIT_LOGIN",
                Kind::Integer(0, 10_000_000),
                Value("10"),
                "Logins and their kin a minute, of one address and for one account; 0 is no limit.",
            ),
            setting(
                "METRICS_PUBLIC",
                Kind::Boolean,
                Value("false"),
                "Whether metrics and details of health are open to everybody in production, too.",
            ),
            setting("LOG_ACCESS", Kind::Boolean, Value("true"), "Whether each request has a line in the log."),
            setting(
                "ACCESS_LOG_TABLE",
                Kind::Boolean,
                Value("true"),
                "Whether each request to the API has a row in telemetry.api_access_logs, too.",
            ),
            setting("LOG_FORMAT", Kind::Choice(&["text", "json"]), Value("text"), "How lines of the log look."),
        ],
    },
    Group {
        title: "Identity",
        settings: &[
            setting("JWT_SECRET", Kind::Secret, REQUIRED, "What access tokens are signed with.").secret(),
            setting(
                "JWT_SECRET_PREVIOUS",
                Kind::Secret,
                NONE,
                "What it was before: tokens signed with it are still good.",
            )
            .secret(),
            setting(
                "ENCRYPTION_KEY",
                Kind::Secret,
                REQUIRED,
                "What secrets of others, as those of webhooks, are sealed with in the database.",
            )
            .secret(),
            setting(
                "ENCRYPTION_KEY_PREVIOUS",
                Kind::Secret,
                NONE,
                "What it was before: secrets sealed with it are sealed again at the start.",
            )
            .secret(),
            setting(
                "BCRYPT_ROUNDS",
                Kind::Integer(4, 20),
                Value("12"),
                "How dear a password is to hash: each one more doubles it.",
            ),
            setting(
                "AUTH_REGISTRATION",
                Kind::Choice(&["open", "closed"]),
                Words("open in development, else closed"),
                "Whether anybody may register.",
            ),
            setting(
                "MAIL_COMMAND",
                Kind::Text,
                NONE,
                "What sends a mail that it gets on its standard input: /usr/sbin/sendmail -t.",
            ),
            setting("MAIL_FROM", Kind::Text, Value("mainstay@localhost"), "Whom mails are from."),
            setting(
                "PUBLIC_URL",
                Kind::Text,
                Words("http://HOST:PORT"),
                "Where users find this service; links in mails begin with it.",
            ),
            setting("ADMIN_EMAIL", Kind::Text, NONE, "The first administrator, made at the start if there is none."),
            setting("ADMIN_PASSWORD", Kind::Text, NONE, "That administrator's password.").secret(),
            setting(
                "ADMIN_USER_ID",
                Kind::Text,
                Words("the first administrator"),
                "The id or e-mail address of the user that CREATE_ADMIN_API_KEY makes a key for; of an address that nobody has, \
                 the first administrator is made.",
            ),
            setting(
                "CREATE_ADMIN_API_KEY",
                Kind::Boolean,
                Value("false"),
                "Whether the first start makes an API key with all permissions, kept in MAINSTAY_DATA/admin_api_key.",
            ),
        ],
    },
    Group {
        title: "Webhooks",
        settings: &[
            setting(
                "WEBHOOK_ALLOW_PRIVATE",
                Kind::Networks,
                NONE,
                "Networks of one's own that webhooks may be sent to, as addresses and networks: 10.20.0.0/16, ::1.",
            ),
            setting(
                "WEBHOOK_ALLOW_HTTP",
                Kind::Boolean,
                Value("false"),
                "Whether webhooks may be sent without encryption, too.",
            ),
            setting(
                "WEBHOOK_ROOT_CERT",
                Kind::Path,
                Words("the authorities that the system trusts"),
                "The certificate authorities to trust when webhooks are sent, as a PEM file.",
            ),
            setting(
                "WEBHOOK_TIMEOUT",
                Kind::Duration,
                Value("15s"),
                "How long an attempt to deliver may take in all; nobody else makes the next one for twice as long.",
            ),
            setting(
                "WEBHOOK_IN_FLIGHT",
                Kind::Integer(4, 512),
                Value("64"),
                "Deliveries that this server makes at the same time; half of them to those who answer quickly.",
            ),
            setting(
                "WEBHOOK_IN_FLIGHT_EACH",
                Kind::Integer(1, 64),
                Value("4"),
                "Deliveries that a webhook gets at the same time, from all servers together.",
            ),
        ],
    },
    Group {
        title: "Services that are asked how they are",
        settings: &[
            setting(
                "SERVICE_CHECK_ALLOW_PRIVATE",
                Kind::Networks,
                NONE,
                "Networks of one's own whose services may be asked, as addresses and networks. Every USER says who is asked.",
            ),
            setting(
                "SERVICE_CHECK_ALLOW_HTTP",
                Kind::Boolean,
                Value("false"),
                "Whether services may be asked without encryption, too.",
            ),
        ],
    },
    Group {
        title: "What is kept",
        settings: &[
            setting(
                "AUDIT_LOG_DAYS",
                DAYS,
                Value("365"),
                "How long the audit is kept, in days; it goes a whole month at a time.",
            ),
            setting("ACCESS_LOG_DAYS", DAYS, Value("30"), "The same for the access log, which goes a day at a time."),
            setting(
                "WEBHOOK_EVENT_DAYS",
                DAYS,
                Value("30"),
                "The same for events and their deliveries, finished or not, which go a day at a time.",
            ),
            setting("METRICS_DAYS", DAYS, Value("90"), "The same for the figures in system and performance metrics."),
            setting(
                "METRICS_SECONDS",
                Kind::Integer(0, 86_400),
                Value("300"),
                "How often the server adds its own figures to those; 0 is never.",
            ),
        ],
    },
    Group {
        title: "Migrations",
        settings: &[
            setting(
                "DB_AUTO_MIGRATE",
                Kind::Boolean,
                Words("true in development, else false"),
                "Whether the server migrates the database when it starts.",
            ),
            setting(
                "DB_MIGRATE_PATH",
                Kind::Path,
                Words("the migrations built into mainstay"),
                "A folder of migrations to use instead.",
            ),
        ],
    },
    Group {
        title: "Entities",
        settings: &[setting(
            "ENTITIES_PATH",
            Kind::Path,
            Value("etc/entities"),
            "The folder of the tables that are declared, a JSON file each. The default need not be there.",
        )],
    },
];

/// All settings without their groups.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().flat_map(|group| group.settings)
}
