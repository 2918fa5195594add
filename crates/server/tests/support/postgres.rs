//! A private PostgreSQL server for a test program: on a free loopback port, in a temporary folder, gone with the program.

use std::{
    fs, io,
    net::TcpListener,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// The user that runs the server where the tests run as root, which PostgreSQL refuses.
const NOBODY: u32 = 65534;

struct Cluster {
    port: u16,
    bin: PathBuf,
    /// Waits for the end of its standard input, which comes with the end of this program; then it cleans up.
    _keeper: Child,
}

/// The URL of a new, empty database.
///
/// # Panics
/// PostgreSQL is not installed, or does not start.
pub(crate) fn new_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let made = cluster.psql(&format!("CREATE DATABASE {name}"));
    assert!(made, "the database {name} cannot be created");
    format!("postgres://postgres@127.0.0.1:{}/{name}", cluster.port)
}

impl Cluster {
    fn psql(&self, statement: &str) -> bool {
        let port = self.port.to_string();
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", "postgres", "-qc", statement];
        let ended = Command::new(self.bin.join("psql"))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        ended.is_ok_and(|status| status.success())
    }
}

fn start() -> Cluster {
    let bin = binaries().expect("PostgreSQL is installed (Debian: apt-get install postgresql)");
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    let data = folder.join("data");
    let as_root =
        fs::metadata("/proc/self").is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    if as_root {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("the folder is ours");
        std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root may give the folder away");
    }
    let as_nobody = |command: &mut Command| {
        if as_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
    };
    let mut initdb = Command::new(bin.join("initdb"));
    initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
    as_nobody(&mut initdb);
    assert!(initdb.status().is_ok_and(|status| status.success()), "initdb fails");

    let port = free_port().expect("a free port");
    let script = "\"$1\" -D \"$2\" -h 127.0.0.1 -p \"$3\" -k '' -F -c max_connections=400 & server=$!
        cat > /dev/null
        kill -INT \"$server\"; wait \"$server\"; rm -rf \"$4\"";
    let mut keeper = Command::new("sh");
    keeper
        .args(["-c", script, "keeper"])
        .arg(bin.join("postgres"))
        .arg(&data)
        .arg(port.to_string())
        .arg(&folder);
    as_nobody(&mut keeper);
    keeper.stdin(Stdio::piped()).process_group(0);
    let keeper = keeper.spawn().expect("a shell starts");
    let cluster = Cluster { port, bin, _keeper: keeper };
    let deadline = Instant::now() + Duration::from_secs(30);
    while !cluster.psql("SELECT 1") {
        assert!(Instant::now() < deadline, "PostgreSQL does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    cluster
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The folder of PostgreSQL's programs: Debian keeps each version in one of its own, others put them on the path.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest =
        versions.map(|version| version.path().join("bin")).filter(|folder| is_complete(folder)).max();
    newest.or_else(|| std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| is_complete(folder)))
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "psql"].iter().all(|program| folder.join(program).is_file())
}
