//! The relay's main job from end to end: starts a next hop and a relay in
//! front of it, submits a message and shows what happens to it on its way.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;
use std::{env, fs, process, thread};

const MESSAGE: &str = "From: me@example.com\r\nTo: you@example.net\r\nSubject: first mail\r\n\r\n\
                       Hello!\r\n";

fn main() -> ExitCode {
    // The relay is this same program, started a second time.
    let mut arguments: Vec<OsString> = env::args_os().collect();
    if arguments
        .get(1)
        .is_some_and(|first| first == "--be-the-relay")
    {
        arguments.remove(1);
        return ExitCode::from(emailrelay::cli::run(arguments));
    }
    match show() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("first-mail: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show() -> io::Result<()> {
    let spool = env::temp_dir().join(format!("first-mail.{}", process::id()));
    fs::create_dir(&spool)?;
    let result = walk_through(&spool);
    fs::remove_dir_all(&spool)?;
    result
}

fn walk_through(spool: &Path) -> io::Result<()> {
    let (arrived, arrivals) = mpsc::channel();
    let next_hop = start_next_hop(arrived)?;
    println!("1. A next hop listens on {next_hop}; it shows what it is sent.");

    // Only root's own processes may write to a folder that root has just made.
    let user = if cfg!(unix) { "--user root " } else { "" };
    let options = format!(
        "{user}--no-daemon --log --no-syslog --domain relay.example --interface 127.0.0.1 --port 0 \
         --forward-on-disconnect --forward-to {next_hop} --spool-dir {}",
        spool.display()
    );
    println!("\n2. The relay is started:\n   emailrelay {options}");
    let mut relay = Relay::start(&options)?;

    println!("\n3. A client submits a message to {}:", relay.address);
    let mut client = Client::connect(&relay.address)?;
    client.submit()?;

    println!(
        "\n4. Acknowledged, so it is on the disk, in {}:",
        spool.display()
    );
    show_files(spool)?;

    println!("\n5. The client hangs up, and the relay forwards the message:");
    client.say("QUIT")?;
    let wait = Duration::from_secs(20);
    let message = arrivals
        .recv_timeout(wait)
        .map_err(|_| other("nothing arrived"))?;
    println!("\n6. The next hop got it:\n{}", indent(&message));

    wait_until_empty(spool)?;
    println!("7. The spool is empty again.\n");
    println!("To use it for real: name your provider's server and port in --forward-to,");
    println!("a directory of your own in --spool-dir, and leave out --port and --interface.");
    relay.stop()
}

/// The relay in a process of its own; its log goes to standard output.
struct Relay {
    child: Child,
    address: String,
}

impl Relay {
    fn start(options: &str) -> io::Result<Relay> {
        let mut command = Command::new(env::current_exe()?);
        command
            .arg("--be-the-relay")
            .args(options.split_whitespace());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let log = child.stderr.take().ok_or_else(|| other("no log"))?;
        let (ready, address) = mpsc::channel();
        thread::spawn(move || show_log(log, &ready));
        let wait = Duration::from_secs(20);
        let address = address
            .recv_timeout(wait)
            .map_err(|_| other("the relay did not start"))?;
        Ok(Relay { child, address })
    }

    fn stop(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

fn show_log(log: ChildStderr, ready: &Sender<String>) {
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        println!("   | {line}");
        if let Some((_, address)) = line.split_once("smtp server on ") {
            // Nobody waits for a second address.
            let _ = ready.send(address.to_owned());
        }
    }
}

/// A client that waits for each reply and shows both sides.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: &str) -> io::Result<Client> {
        let stream = BufReader::new(TcpStream::connect(address)?);
        let mut client = Client { stream };
        client.hear()?;
        Ok(client)
    }

    fn submit(&mut self) -> io::Result<()> {
        self.say("EHLO client.example")?;
        self.say("MAIL FROM:<me@example.com>")?;
        self.say("RCPT TO:<you@example.net>")?;
        self.say("DATA")?;
        self.stream.get_mut().write_all(MESSAGE.as_bytes())?;
        self.say(".")
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        println!("   C: {line}");
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())?;
        self.hear()
    }

    fn hear(&mut self) -> io::Result<()> {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(other("the relay hung up"));
            }
            println!("   S: {}", line.trim_end());
            match line.as_bytes() {
                [b'2' | b'3', _, _, b' ', ..] => return Ok(()),
                [_, _, _, b'-', ..] => {}
                _ => return Err(other("the relay refused")),
            }
        }
    }
}

/// Accepts one message and passes it on.
fn start_next_hop(arrived: Sender<String>) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || match listener.accept() {
        Ok((stream, _)) => accept_message(&stream, &arrived),
        Err(error) => Err(error),
    });
    Ok(address)
}

fn accept_message(mut stream: &TcpStream, arrived: &Sender<String>) -> io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    stream.write_all(b"220 next-hop.example\r\n")?;
    while let Some(line) = lines.next().transpose()? {
        let reply = match line.split_whitespace().next() {
            Some("DATA") => {
                stream.write_all(b"354 go ahead\r\n")?;
                let content = lines
                    .by_ref()
                    .map_while(Result::ok)
                    .take_while(|line| line != ".");
                // The walk-through waits for it unless it has failed.
                let _ = arrived.send(content.map(|line| line + "\n").collect());
                "250 taken"
            }
            Some("QUIT") => "221 bye",
            _ => "250 fine",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    Ok(())
}

fn show_files(spool: &Path) -> io::Result<()> {
    for entry in fs::read_dir(spool)? {
        let path = entry?.path();
        let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
        println!("   {}\n{}", path.display(), indent(&text));
    }
    Ok(())
}

fn wait_until_empty(spool: &Path) -> io::Result<()> {
    for _ in 0..1000 {
        if fs::read_dir(spool)?.next().is_none() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(other("the spool is not empty"))
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("      {line}\n")).collect()
}

fn other(text: &str) -> io::Error {
    io::Error::other(text)
}
