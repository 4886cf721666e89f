//! A listener for the cases that speak over the network: it says what the case wrote down, and records what it heard.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;

/// Answers all who connect, in a thread that ends with the tests: with the text as it is, or, where that starts with
/// `HTTP`, with one answer after the other (divided by a line `%%`) to whole requests, which are recorded.
pub fn greet(listener: TcpListener, greeting: &str, calls: PathBuf) {
    let answers: Vec<String> = greeting.split("\n%%\n").map(str::to_owned).collect();
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let answer = answers.get(index).or(answers.last()).unwrap();
            if !answer.starts_with("HTTP") {
                drop(stream.write_all(answer.as_bytes()));
                continue;
            }
            let request = http_request(&mut stream);
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&calls)
                .unwrap();
            writeln!(file, "{request}").unwrap();
            let (head, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
            let head = head.trim_end().replace('\n', "\r\n");
            let whole = format!(
                "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(whole.as_bytes()));
        }
    });
}

/// Reads a request and returns its first line, the headers that matter, and its body, in one line.
fn http_request(stream: &mut std::net::TcpStream) -> String {
    use std::io::Read as _;
    let (mut heard, mut byte) = (Vec::new(), [0_u8; 1]);
    while !heard.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        heard.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&heard).into_owned();
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let length = header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let mut shown = head.lines().next().unwrap_or_default().to_owned();
    for name in ["user-agent", "authorization", "content-type", "x-test"] {
        if let Some(value) = header(name) {
            let value = if value.starts_with("multipart") {
                "multipart".to_owned()
            } else {
                value
            };
            write!(shown, " | {name}: {value}").unwrap();
        }
    }
    if !body.is_empty() && !shown.contains("multipart") {
        write!(shown, " | {}", String::from_utf8_lossy(&body)).unwrap();
    }
    shown
}
