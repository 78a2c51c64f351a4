//! A relay in front of an endpoint: what the network between is, which a test can take away and give back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// What is sent arrives.
    Open,
    /// Nobody is there: connections break, new ones are refused.
    Cut,
    /// Nothing arrives and nobody says so: what is sent waits.
    Silent,
}

struct Shared {
    way: Mutex<Way>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    to: SocketAddr,
}

/// A relay at an address of its own.
pub struct Relay {
    shared: Arc<Shared>,
    listener: Option<TcpListener>,
    address: SocketAddr,
}

impl Relay {
    /// In front of `endpoint` (`http://127.0.0.1:PORT`).
    pub fn new(endpoint: &str) -> Self {
        let to = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let shared = Shared {
            way: Mutex::new(Way::Open),
            changed: Condvar::new(),
            open: Mutex::default(),
            to,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut relay = Self { shared: Arc::new(shared), listener: None, address };
        relay.listen(listener);
        relay
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn listen(&mut self, listener: TcpListener) {
        self.listener = Some(listener.try_clone().unwrap());
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // The connection that wakes this thread up when the way is cut.
                if *shared.way.lock().unwrap() == Way::Cut {
                    return;
                }
                let Ok(behind) = TcpStream::connect(shared.to) else { continue };
                let ends = [stream.try_clone().unwrap(), behind.try_clone().unwrap()];
                shared.open.lock().unwrap().extend(ends);
                let (back, forth) = (behind.try_clone().unwrap(), stream.try_clone().unwrap());
                pump(Arc::clone(&shared), stream, behind);
                pump(Arc::clone(&shared), back, forth);
            }
        });
    }

    fn set(&self, way: Way) {
        *self.shared.way.lock().unwrap() = way;
        self.shared.changed.notify_all();
    }

    /// From now on nobody is there: what is under way breaks off.
    pub fn cut(&mut self) {
        self.set(Way::Cut);
        let _ = TcpStream::connect(self.address);
        drop(self.listener.take());
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// From now on nothing arrives, and nobody says so.
    pub fn silence(&self) {
        self.set(Way::Silent);
    }

    /// It is as it was before; what waited arrives.
    pub fn restore(&mut self) {
        self.set(Way::Open);
        if self.listener.is_none() {
            // The thread that listened before ends by itself; until then the address is taken.
            let listener = super::eventually("the relay has its address again", || {
                TcpListener::bind(self.address).ok()
            });
            self.listen(listener);
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.cut();
    }
}

/// Passes on what arrives, as the way is.
fn pump(shared: Arc<Shared>, mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(read) = from.read(&mut buffer) {
            let way = shared.way.lock().unwrap();
            let way = *shared.changed.wait_while(way, |way| *way == Way::Silent).unwrap();
            if read == 0 || way == Way::Cut || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    });
}
