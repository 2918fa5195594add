//! A small web server for files: the example's page and the package, on a site of their own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Component, Path, PathBuf},
    thread,
    time::Duration,
};

/// Answers from these folders for as long as the process lives; each belongs to a prefix of the address.
pub(crate) fn serve(listener: TcpListener, folders: Vec<(&'static str, PathBuf)>) {
    let folders: &'static [_] = Vec::leak(folders);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                // A browser that went away has nothing to be told.
                let _ = answer(stream, folders);
            });
        }
    });
}

fn answer(mut stream: TcpStream, folders: &[(&str, PathBuf)]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = BufReader::new(&stream).take(16 * 1024);
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut line = String::from(" ");
    while !line.trim_end().is_empty() {
        line.clear();
        head.read_line(&mut line)?;
    }
    let mut words = request.split(' ');
    let found = match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => file_for(target, folders),
        _ => None,
    };
    match found.and_then(|file| Some((fs::read(&file).ok()?, media_type(&file)))) {
        Some((body, media_type)) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\nConnection: close\r\n\r\n",
                body.len()
            )?;
            stream.write_all(&body)
        }
        None => stream.write_all(
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 10\r\nConnection: close\r\n\r\nnot found\n",
        ),
    }
}

fn file_for(target: &str, folders: &[(&str, PathBuf)]) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?;
    let (folder, rest) =
        folders.iter().find_map(|(prefix, folder)| Some((folder, path.strip_prefix(prefix)?)))?;
    let rest = Path::new(rest);
    let inside = rest.components().all(|component| matches!(component, Component::Normal(_)));
    let file = folder.join(rest);
    let file = if file.is_dir() { file.join("index.html") } else { file };
    inside.then_some(file)
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_folders_are_served() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("site")).unwrap();
        fs::write(home.path().join("secret"), "secret").unwrap();
        fs::write(home.path().join("site/index.html"), "<p>hello").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, vec![("/", home.path().join("site"))]);

        let get = |target: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let page = get("/?from=there");
        assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("<p>hello"), "{page}");
        assert!(page.contains("text/html"), "{page}");
        for target in ["/../secret", "//etc/passwd", "/absent", "/a/../../secret"] {
            assert!(get(target).starts_with("HTTP/1.1 404"), "{target}");
        }
    }
}
