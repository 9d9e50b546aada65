//! All commands: what they are called, what they take, and what they are for.

use std::process::ExitCode;

use super::{
    Arguments, Result, config, configuration, database, document, entity, gateway, identity, migrate, ops, templates,
    webhook,
};

/// An option of a command.
#[derive(Debug)]
pub struct Flag {
    pub name: &'static str,
    /// What stands behind it, if something does.
    pub value: Option<&'static str>,
    pub help: &'static str,
}

/// A command.
pub struct Command {
    /// One word or two.
    pub name: &'static str,
    /// The arguments that it needs, as its usage shows them.
    pub arguments: &'static [&'static str],
    pub flags: &'static [Flag],
    pub summary: &'static str,
    /// More than a line of help, where there is more to say.
    pub details: &'static str,
    pub(super) run: fn(&Arguments) -> Result<ExitCode>,
}

const fn flag(name: &'static str, help: &'static str) -> Flag {
    Flag { name, value: None, help }
}

const fn option(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, value: Some(value), help }
}

const JSON: Flag = flag("json", "Print JSON, for programs.");
const TO: Flag = option("to", "VERSION", "Stop when this version is the newest.");
const MESSAGE: Flag = option("message", "TEXT", "What it is for; kept with the revision.");
const IF_MATCH: Flag = option("if-match", "CHECKSUM", "Refuse if the configuration is not this one.");
const YES: Flag = flag("yes", "Do not ask.");

/// Options of every command.
pub const COMMON: &[Flag] = &[
    option("env-file", "FILE", "Read settings from FILE instead of .env; the environment comes first."),
    flag("help", "Show help, and do nothing else."),
];

const fn command(name: &'static str, summary: &'static str, run: fn(&Arguments) -> Result<ExitCode>) -> Command {
    Command { name, arguments: &[], flags: &[], summary, details: "", run }
}

/// All commands, in the order of the help.
pub const COMMANDS: &[Command] = &[
    command("serve", "Serve until told to stop, on an embedded database unless another is configured.", |arguments| {
        crate::serve::serve(&configuration(arguments)?)?;
        Ok(ExitCode::SUCCESS)
    }),
    Command {
        flags: &[
            JSON,
            flag("example", "Print a file of all settings instead, each with its meaning."),
            flag("table", "Print the README's table of all settings instead."),
        ],
        ..command("config", "Show all settings, where they come from, and what is wrong with them.", config::show)
    },
    Command {
        flags: &[TO, flag("dry-run", "Print what would be run, and what the linter thinks of it."), JSON],
        details: "Exits with 1 if a migration fails; the database is then at the version before it.",
        ..command("migrate", "Apply all migrations that are pending.", migrate::apply)
    },
    Command {
        flags: &[
            JSON,
            flag("exit-code", "Exit with 1 if migrations are pending, and 2 if files and database disagree."),
        ],
        ..command("migrate status", "Show which migrations are applied.", migrate::status)
    },
    Command {
        arguments: &["NAME"],
        flags: &[JSON],
        ..command("migrate create", "Make the files of the next migration.", migrate::create)
    },
    Command {
        flags: &[option("steps", "N", "Undo this many: 1."), TO, YES, JSON],
        details: "Names the tables that would be dropped with rows in them, and asks. In production it needs --yes.",
        ..command("migrate rollback", "Undo the last migration.", migrate::rollback)
    },
    Command {
        flags: &[JSON],
        details: "Exits with 1 if anything disagrees. The applied migrations are run in a scratch database on the same server, and\n\
            the two catalogues compared. Not compared: owners, comments, the order of columns, statistics, and data.",
        ..command("migrate verify", "Compare files, history and the live database.", migrate::verify)
    },
    Command {
        arguments: &["VERSION"],
        flags: &[option("reason", "TEXT", "Why the change is right. It is recorded."), JSON],
        ..command("migrate repair", "Accept that an applied migration's file was changed.", migrate::repair)
    },
    Command {
        arguments: &["VERSION"],
        flags: &[JSON],
        ..command("migrate baseline", "Mark an existing database as being at a version.", migrate::baseline)
    },
    Command {
        flags: &[JSON],
        details: "Exits with 1 if anything is found.",
        ..command("migrate lint", "Look for statements that are unsafe on a database in use.", migrate::lint)
    },
    Command {
        flags: &[JSON, flag("write", "Write a migration for what is refused, to be looked at and completed.")],
        details: "Exits with 1 if anything is refused; then nothing would be done.",
        ..command("entity plan", "Show what is to be done so that tables are as they are declared.", entity::plan)
    },
    Command {
        flags: &[JSON],
        details: "First what stands in files beside the declarations (migrations/), then what is safe. In development a server does\n\
            the same when it starts.",
        ..command("entity migrate", "Make the tables as they are declared.", entity::migrate)
    },
    Command { flags: &[JSON], ..command("entity list", "Show what is declared.", entity::list) },
    Command {
        arguments: &["NAME", "ID", "FIELD"],
        details: "For who has the key: the API takes secrets, and never shows them.",
        ..command("entity reveal", "Open a secret of a row, and print it.", entity::reveal)
    },
    command("entity schema", "Print the JSON Schema of declarations, for editors.", entity::schema),
    command("db start", "Start the embedded database, and leave it running.", database::start),
    command("db stop", "Stop the embedded database.", database::stop),
    Command { flags: &[JSON], ..command("db status", "Show the embedded database.", database::status) },
    command("db psql", "Open psql on the configured database.", database::psql),
    Command {
        flags: &[YES],
        details: "Refuses in production.",
        ..command("db reset", "Delete the embedded database with everything in it.", database::reset)
    },
    command("db create", "Create the configured database if its server does not have it.", database::create),
    Command {
        arguments: &["EMAIL"],
        flags: &[
            option("name", "NAME", "What people call the user."),
            option("role", "ROLE", "ADMIN, USER or VIEWER: USER."),
            flag("admin", "The same as --role ADMIN."),
            flag("password-stdin", "Read the password from the standard input; without it one is made and shown."),
            JSON,
        ],
        ..command("user create", "Make a user.", identity::create_user)
    },
    Command { flags: &[JSON], ..command("user list", "Show all users.", identity::list_users) },
    Command {
        arguments: &["USER", "ROLE"],
        flags: &[JSON],
        ..command("user set-role", "Give a user, by id or e-mail address, another role.", identity::set_role)
    },
    Command {
        arguments: &["USER"],
        flags: &[JSON],
        ..command("user unlock", "Let a user who was locked out log in again.", identity::unlock)
    },
    Command {
        arguments: &["NAME"],
        flags: &[
            option("user", "USER", "Whose key it is, by id or e-mail address."),
            option("permissions", "LIST", "What it may do, separated by commas: read:*."),
            option("expires", "TIME", "When it ends by itself: 90d."),
            JSON,
        ],
        ..command("key create", "Make an API key, and show it this once.", identity::create_key)
    },
    Command {
        flags: &[option("user", "USER", "Only the keys of this user."), JSON],
        ..command("key list", "Show all API keys.", identity::list_keys)
    },
    Command {
        arguments: &["KEY"],
        flags: &[JSON],
        ..command("key revoke", "Make an API key, by id or prefix, useless at once.", identity::revoke_key)
    },
    Command {
        arguments: &["KEY"],
        flags: &[option("overlap", "TIME", "How long the old key goes on working: 1h."), JSON],
        ..command("key rotate", "Replace an API key by a new one, shown this once.", identity::rotate_key)
    },
    Command {
        arguments: &["FILE"],
        flags: &[IF_MATCH, JSON],
        details: "FILE is JSON: {\"tags\": [...], \"routes\": [{\"name\": ..., \"path\": ..., \"upstream\": ...}, ...], \"webhooks\": [...]};\n\
            - is the standard input. It owns what has all of its tags in metadata.tags, and everything if it has none; what it\n\
            owns and does not name is deleted. Without \"webhooks\", those are left alone.\n\
            Exits with 0 if there is nothing to do, and with 3 if there is.",
        ..command("gateway plan", "Show what a file would change in routes and webhooks.", gateway::plan)
    },
    Command {
        arguments: &["FILE"],
        flags: &[MESSAGE, IF_MATCH, flag("dry-run", "Show what would change, and change nothing."), JSON],
        details: "All of it happens, or nothing. See `mainstay gateway plan --help` for what is in FILE.",
        ..command("gateway apply", "Make routes and webhooks what a file says.", gateway::apply)
    },
    Command {
        arguments: &["REVISION"],
        flags: &[option("to", "REVISION", "The later one; what there is now, without it."), JSON],
        ..command("gateway diff", "Show what has changed since a revision.", gateway::diff)
    },
    Command {
        flags: &[option("count", "N", "Show this many: 20."), JSON],
        ..command("gateway history", "Show the latest revisions of routes and webhooks.", gateway::history)
    },
    Command {
        arguments: &["REVISION"],
        flags: &[MESSAGE, IF_MATCH, JSON],
        ..command("gateway rollback", "Go back to a revision, as a new one.", gateway::roll_back)
    },
    Command {
        arguments: &["ROUTE"],
        flags: &[JSON],
        ..command("gateway blame", "Show who changed each field of a route last.", gateway::blame)
    },
    Command {
        flags: &[
            option("port", "PORT", "The port to listen on, on this machine alone: 9000."),
            option("secret", "SECRET", "What events are signed with, whsec_…; the seed's, unless it is said."),
            option("fail-rate", "RATE", "How many of the answers are failures, from 0 to 1: 0."),
            option("delay", "TIME", "How long each answer takes: 0s."),
            JSON,
        ],
        details: "The server that sends needs WEBHOOK_ALLOW_HTTP=true and WEBHOOK_ALLOW_PRIVATE=127.0.0.1 for it.",
        ..command(
            "webhook listen",
            "Print the events that arrive here, and whether their signatures are right.",
            webhook::listen,
        )
    },
    Command {
        flags: &[
            option("format", "FORMAT", "Another gateway's: nginx, haproxy, caddy, traefik, envoy or kong."),
            option("port", "PORT", "Where that gateway listens: 8000."),
            option("tags", "LIST", "Without a format: only the routes that have these, separated by commas."),
            JSON,
        ],
        details: "Without a format it prints what `mainstay gateway apply` takes. What another gateway's format cannot say is told\n\
            on the standard error, and at the top of the file.",
        ..command("gateway export", "Print the routes as a file, for mainstay or for another gateway.", gateway::export)
    },
    Command {
        flags: &[flag("quick", "Leave out what takes seconds: the schema against its migrations."), JSON],
        details: "Exits with 1 if something is wrong that must be right.",
        ..command("doctor", "Look at everything that has to be right, and say what to do.", ops::examine)
    },
    Command { flags: &[JSON], ..command("jobs", "Show the background jobs, and how they went.", ops::list_jobs) },
    Command {
        arguments: &["NAME"],
        ..command("jobs run", "Let a job run now instead of when it is due.", ops::hurry_job)
    },
    Command {
        arguments: &["PATH"],
        flags: &[flag("dry-run", "Do everything, report it, and undo it."), JSON],
        details: "PATH is a .json file with categories, technologies and templates, a template.yaml of Backstage, or a folder of\n\
            them. All is imported or nothing; what is there already, by its slug, is made to be like that. Templates that say\n\
            publish are published when they have changed.",
        ..command("templates import", "Import a catalogue of templates.", templates::import)
    },
    Command {
        details: "Refuses in production.",
        ..command(
            "seed",
            "Make what development needs: an administrator whose password is known, and samples.",
            identity::seed,
        )
    },
    Command {
        details: "It is what a server with the same settings answers to GET /openapi.json.",
        ..command("openapi", "Print the OpenAPI 3.1 document of the API.", document::openapi)
    },
    command("types", "Print the types of the API, for TypeScript.", document::types),
    command("permissions", "Print all permissions, and who has them.", document::permissions),
];
