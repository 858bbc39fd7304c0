//! Servers that Envoy sends requests to. They answer as they are told, and keep what they got.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::message::{Message, Reader};

/// What a server does with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Sends these bytes one after another, with a moment between them, so that they arrive apart.
    Bytes(Vec<Vec<u8>>),
    /// Closes the connection.
    Close,
    /// Nothing, until the other side closes the connection.
    Silence,
}

type Answers = Box<dyn FnMut(&Message) -> (Duration, Answer) + Send>;

/// A server on loopback.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    answers: Answers,
    received: Vec<Message>,
    stopped: bool,
}

/// How long parts are sent apart.
const APART: Duration = Duration::from_millis(30);

impl Origin {
    /// Starts a server that answers everything with an empty 200.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let empty = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec();
        let shared = Arc::new(Mutex::new(Shared {
            answers: Box::new(move |_| (Duration::ZERO, Answer::Bytes(vec![empty.clone()]))),
            received: Vec::new(),
            stopped: false,
        }));
        let all = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if lock(&all).stopped {
                    return;
                }
                let shared = Arc::clone(&all);
                std::thread::spawn(move || {
                    // How a connection ends is seen on the other side.
                    let _ended = serve(&stream, &shared);
                });
            }
        });
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers in this way from now on: after so long, this.
    pub(crate) fn answer(
        &self,
        answers: impl FnMut(&Message) -> (Duration, Answer) + Send + 'static,
    ) {
        lock(&self.shared).answers = Box::new(answers);
    }

    /// Takes what has arrived.
    pub(crate) fn take_received(&self) -> Vec<Message> {
        std::mem::take(&mut lock(&self.shared).received)
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        lock(&self.shared).stopped = true;
        // Wakes the listener up.
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = Reader::new(stream);
    while let Some(mut request) = reader.head()? {
        let upgrade = request.headers.contains("upgrade");
        let place = {
            let mut shared = lock(shared);
            shared.received.push(request.clone());
            shared.received.len() - 1
        };
        reader.body(&mut request, upgrade, false)?;
        // The other protocol has no end that could be told.
        request.complete &= !upgrade;
        let (delay, answer) = {
            let mut shared = lock(shared);
            if let Some(received) = shared.received.get_mut(place) {
                received.clone_from(&request);
            }
            (shared.answers)(&request)
        };
        std::thread::sleep(delay);
        match answer {
            Answer::Bytes(parts) => {
                let mut writer = stream;
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        std::thread::sleep(APART);
                    }
                    writer.write_all(part)?;
                }
            }
            Answer::Close => return stream.shutdown(Shutdown::Both),
            Answer::Silence => {}
        }
    }
    Ok(())
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
