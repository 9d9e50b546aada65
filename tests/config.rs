//! Settings: what is read, what is refused, and what is made from the one table of them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mainstay::config::{Address, Config, Problems, Security, Source, Variables};

use crate::support::binary::mainstay;
use crate::support::folder;

fn read(variables: &[(&str, &str)]) -> Result<Config, Problems> {
    let file = |path: &Path| match path.to_str() {
        Some("/secret") => Ok("from a file\n".to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    };
    Config::from(&Variables::of(variables.iter().copied()), file)
}

#[test]
fn an_environment_of_any_of_the_five_systems_works_as_it_is() {
    let collex = [
        ("DB_HOST", "db.example.com"),
        ("DB_PORT", "5433"),
        ("DB_USER", "collex_user"),
        ("DB_PASSWORD", "secret"),
        ("DB_NAME", "collex_production"),
        ("DB_SSL_MODE", "require"),
        ("DB_MAX_OPEN_CONNS", "200"),
        ("DB_MAX_IDLE_CONNS", "20"),
        ("DB_CONN_MAX_LIFETIME", "2h"),
        ("DB_CONN_MAX_IDLE_TIME", "1h"),
        ("DB_AUTO_MIGRATE", "false"),
    ];
    let config = read(&collex).unwrap();
    let address = Address::primary(&config).unwrap().unwrap();
    assert_eq!(address.to_string(), "db.example.com:5433 database collex_production as collex_user");
    assert_eq!((address.security, config.integer("DB_POOL_MAX")), (Security::Require, 200));
    assert_eq!(config.duration("DB_CONN_MAX_LIFETIME"), Duration::from_secs(7200));
    assert!(!config.auto_migrates() && config.warnings.is_empty(), "{:?}", config.warnings);

    let devx =
        [("POSTGRES_HOST", "h"), ("POSTGRES_DB", "devxplatform"), ("POSTGRES_USER", "devx"), ("NODE_ENV", "test")];
    let config = read(&devx).unwrap();
    assert_eq!(Address::primary(&config).unwrap().unwrap().to_string(), "h:5432 database devxplatform as devx");

    let cicd = [
        ("DB_POOL_MIN", "2"),
        ("DB_QUERY_TIMEOUT", "60000"),
        ("DB_SSL_MODE", "off"),
        ("DB_HEALTH_CHECK_ENABLED", "true"),
    ];
    assert_eq!(read(&cicd).unwrap().duration("DB_QUERY_TIMEOUT"), Duration::from_secs(60));
}

#[test]
fn all_faults_are_told_at_once_each_with_its_name_and_what_is_allowed() {
    let Problems(problems) = read(&[
        ("DB_PORT", "99999"),
        ("DB_POOL_MAX", "many"),
        ("DB_AUTO_MIGRATE", "perhaps"),
        ("DB_SLOW_QUERY", "soon"),
    ])
    .unwrap_err();
    let expected = [
        "DB_PORT must be a number from 1 to 65535, and is \"99999\"",
        "DB_POOL_MAX must be a number from 1 to 1000, and is \"many\"",
        "DB_SLOW_QUERY must be a time like 500ms or 30s, or a number of milliseconds, and is \"soon\"",
        "DB_AUTO_MIGRATE must be true or false, and is \"perhaps\"",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn users_find_the_service_where_it_listens_unless_it_is_said() {
    let url = |variables: &[(&str, &str)]| read(variables).unwrap().public_url();
    assert_eq!(url(&[]), "http://localhost:8080");
    assert_eq!(url(&[("HOST", "0.0.0.0"), ("PORT", "9000")]), "http://localhost:9000");
    assert_eq!(url(&[("HOST", "10.0.0.7")]), "http://10.0.0.7:8080");
    assert_eq!(url(&[("HOST", "fd00::7")]), "http://[fd00::7]:8080");
    assert_eq!(url(&[("PUBLIC_URL", "https://example.org/"), ("PORT", "9000")]), "https://example.org");
}

#[test]
fn two_names_of_one_setting_must_agree() {
    let Problems(problems) = read(&[("DB_POOL_MAX", "5"), ("DB_MAX_OPEN_CONNS", "6")]).unwrap_err();
    assert_eq!(problems, ["DB_POOL_MAX and DB_MAX_OPEN_CONNS are the same setting, but have different values"]);
    assert_eq!(read(&[("DB_POOL_MAX", "5"), ("DB_MAX_OPEN_CONNS", "5")]).unwrap().integer("DB_POOL_MAX"), 5);
}

#[test]
fn a_name_that_is_no_setting_is_pointed_out_with_the_nearest_that_is() {
    let config = read(&[("DB_HOTS", "h"), ("HOME", "/"), ("DB_PASSWORD_FILE", "/secret")]).unwrap();
    assert_eq!(config.warnings, ["DB_HOTS is not a setting; did you mean DB_HOST?"]);
}

#[test]
fn every_name_in_a_file_of_settings_is_looked_at_and_those_of_other_systems_are_listed_and_not_refused() {
    let folder = folder("settings");
    let file = folder.join("env");
    fs::write(&file, "RATE_LIMT=5\nREDIS_URL=redis://cache\nCLOUDFLARE_WAF_ENABLED=true\nPORT=0\n").unwrap();
    let run = mainstay(&["doctor", "--quick", "--json", "--env-file", file.to_str().unwrap()], &[]);
    assert!(run.said().contains("RATE_LIMT is not a setting; did you mean RATE_LIMIT?"), "{}", run.said());
    assert!(!run.said().contains("REDIS_URL"), "{}", run.said());
    let variables = Variables::read(Some(&file)).unwrap();
    let config = Config::from(&variables, |path| fs::read_to_string(path)).unwrap();
    let others = format!("{} has names that are none of mainstay's: CLOUDFLARE_WAF_ENABLED, REDIS_URL", file.display());
    assert_eq!(config.others, Some(others));
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let config = read(&[("DB_PASSWORD_FILE", "/secret"), ("DATABASE_URL", "postgres://u:hunter2@h/d")]).unwrap();
    assert_eq!(config.text("DB_PASSWORD"), Some("from a file"));
    let shown: Vec<(String, Source)> = config
        .effective()
        .filter(|effective| effective.setting.is_secret && effective.value.is_some())
        .map(|effective| (effective.shown(), effective.source.clone()))
        .collect();
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().all(|(shown, _)| shown == "********"), "{shown:?}");
    let Problems(problems) = read(&[("DATABASE_URL", "hunter2"), ("DB_PASSWORD_FILE", "/nowhere")]).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(!problems.join("").contains("hunter2"), "{problems:?}");
}

#[test]
fn the_example_file_and_the_table_are_what_the_settings_make() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = mainstay(&["config", "--example"], &[]);
    assert_eq!(fs::read_to_string(top.join("etc/mainstay.env.example")).unwrap(), example.text());
    let table = mainstay(&["config", "--table"], &[]);
    assert!(
        fs::read_to_string(top.join("README.md")).unwrap().contains(&table.text()),
        "README.md lacks:\n{}",
        table.text()
    );
}

#[test]
fn the_example_file_as_it_is_changes_nothing() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = top.join("etc/mainstay.env.example");
    let with = mainstay(&["config", "--json", "--env-file", file.to_str().unwrap()], &[]);
    assert_eq!(with.text(), mainstay(&["config", "--json"], &[]).text());
}
