//! A server of a test: started, made to fail on purpose, and stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{self, GLANCE, Guardian, Launch};
use crate::servers::Kind;
use crate::{Error, Result};

/// How long a server may take to be ready. A loaded two-core machine takes its time.
pub(crate) const START_PATIENCE: Duration = Duration::from_mins(2);
/// How long a server may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Whether a server does its work; the reason if not yet.
pub(crate) type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// How to run a server in a folder that is its own.
pub(crate) struct Recipe {
    pub kind: Kind,
    /// Configuration files: path within the folder, and content.
    pub files: Vec<(&'static str, String)>,
    /// Runs once, before the first start: until `mark` exists within the folder.
    pub prepare: Option<(Launch, &'static str)>,
    pub processes: Vec<Launch>,
    pub check: Check,
}

impl Recipe {
    /// Writes the configuration and prepares the folder, unless that was done before.
    pub fn lay_out(&self, dir: &Path) -> Result<()> {
        process::make_folder(dir)?;
        for (name, text) in &self.files {
            let path = dir.join(name);
            if let Some(parent) = path.parent() {
                process::make_folder(parent)?;
            }
            process::write(&path, text)?;
        }
        match &self.prepare {
            Some((launch, mark)) if !dir.join(mark).exists() => launch.run(dir),
            _ => Ok(()),
        }
    }

    /// Waits until the check succeeds. `ended` tells a process that has ended meanwhile.
    pub fn wait_ready(
        &self,
        dir: &Path,
        mut ended: impl FnMut() -> Option<(Launch, String)>,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let last_check = match (self.check)() {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            let not_ready = |launch: &Launch, what: String| {
                let log = launch.log(dir);
                Err(Error::NotReady {
                    server: self.kind,
                    what,
                    last_check: last_check.clone(),
                    tail: process::tail(&log),
                    log,
                })
            };
            if let Some((launch, status)) = ended() {
                return not_ready(&launch, format!("ended while starting ({status})"));
            }
            if begun.elapsed() > START_PATIENCE {
                let launch = self.processes.first().expect("a server has a process");
                return not_ready(
                    launch,
                    format!("was not ready after {} s", START_PATIENCE.as_secs()),
                );
            }
            std::thread::sleep(GLANCE);
        }
    }
}

/// A server that runs as long as this value lives.
pub(crate) struct Server {
    recipe: Recipe,
    dir: PathBuf,
    state: Mutex<State>,
}

struct State {
    guardian: Guardian,
    children: Vec<(Launch, Child)>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("kind", &self.recipe.kind)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server from the recipe that `recipe` makes for a folder. A recipe chooses ports,
    /// and another process may take one before the server does; then the next try has others.
    pub fn start<P>(
        kind: Kind,
        recipe: impl Fn(&Path) -> Result<(Recipe, P)>,
    ) -> Result<(Self, P)> {
        const TRIES: u32 = 3;
        let mut tries = 1;
        loop {
            let dir = new_folder(kind)?;
            let (recipe, ports) = recipe(&dir)?;
            match Self::start_in(recipe, dir) {
                Ok(server) => return Ok((server, ports)),
                Err(Error::NotReady { tail, .. })
                    if tries < TRIES && tail.contains("Address already in use") =>
                {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn start_in(recipe: Recipe, dir: PathBuf) -> Result<Self> {
        let mut guardian = Guardian::start(&dir)?;
        if let Err(error) = recipe.lay_out(&dir) {
            guardian.keep_folder();
            return Err(error);
        }
        let server = Self {
            recipe,
            dir,
            state: Mutex::new(State {
                guardian,
                children: Vec::new(),
            }),
        };
        server.launch(&mut server.state())?;
        Ok(server)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Ends every process at once, as a power cut would.
    pub fn kill(&self) {
        self.state().end(Duration::ZERO);
    }

    /// Ends the process of that name at once. One that is down already is what the caller wants.
    pub fn kill_process(&self, name: &str) {
        let mut state = self.state();
        let (ending, left) = std::mem::take(&mut state.children)
            .into_iter()
            .partition(|(launch, _)| launch.name == name);
        state.children = ending;
        state.end(Duration::ZERO);
        state.children = left;
    }

    /// Starts those of its processes that are down, and waits until it is ready.
    pub fn revive(&self) -> Result<()> {
        self.launch(&mut self.state())
    }

    /// Stops it, unless it is down already, and starts it on the same ports and data.
    pub fn restart(&self) -> Result<()> {
        let mut state = self.state();
        state.end(STOP_PATIENCE);
        self.launch(&mut state)
    }

    /// Freezes it: connections stay open and nothing answers. Returns once every thread stands still.
    pub fn pause(&self) {
        let state = self.state();
        state.signal(Signal::STOP);
        for (_, child) in &state.children {
            process::wait_until_stopped(child.id(), STOP_PATIENCE);
        }
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.state().signal(Signal::CONT);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what does not run, and waits until it is ready.
    fn launch(&self, state: &mut State) -> Result<()> {
        state.forget_ended();
        for launch in &self.recipe.processes {
            if state.children.iter().any(|(it, _)| it.name == launch.name) {
                continue;
            }
            let child = launch.spawn(&self.dir)?;
            state.guardian.started(child.id());
            state.children.push((launch.clone(), child));
        }
        let ready = self.recipe.wait_ready(&self.dir, || {
            state.children.iter_mut().find_map(|(launch, child)| {
                let status = child.try_wait().ok().flatten()?;
                Some((launch.clone(), status.to_string()))
            })
        });
        if ready.is_err() {
            state.guardian.keep_folder();
            state.end(Duration::ZERO);
        }
        ready
    }
}

impl State {
    /// A child that has ended by itself is nobody's to signal.
    fn forget_ended(&mut self) {
        let Self { guardian, children } = self;
        children.retain_mut(|(_, child)| {
            let runs = !matches!(child.try_wait(), Ok(Some(_)));
            if !runs {
                guardian.stopped(child.id());
            }
            runs
        });
    }

    fn signal(&self, signal: Signal) {
        for (_, child) in &self.children {
            process::signal_group(child.id(), signal);
        }
    }

    /// Ends every process: politely where there is patience, and then surely.
    fn end(&mut self, patience: Duration) {
        if !patience.is_zero() {
            // A frozen process hears only after it goes on.
            self.signal(Signal::CONT);
            self.signal(Signal::TERM);
        }
        let deadline = Instant::now() + patience;
        for (_, mut child) in self.children.drain(..) {
            let leader = child.id();
            let left = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() || process::wait_for_end(&mut child, left).is_none() {
                process::signal_group(leader, Signal::KILL);
                // A killed child ends; its number is free only after this wait.
                let _ = child.wait();
            }
            self.guardian.stopped(leader);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.end(STOP_PATIENCE);
    }
}

fn new_folder(kind: Kind) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("goldrecord-{kind}-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    // A folder of that name is from a process long gone that had the same number.
    match fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", &dir)(error))
        }
        _ => process::make_folder(&dir).map(|()| dir),
    }
}
