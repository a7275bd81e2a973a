//! The picture of each step: one drawing of host and container that grows by one part
//! at a time.
//!
//! What is new has a strong line. What is there already stays where it is, and is calm.
//! The host's own is grey, and every other part has one colour, here and on the poster.
//!
//! The book's themes are dark or light, and a picture cannot see which: this one has a
//! ground of its own. On a phone it is 340 pixels wide, and its letters 11 high.

use super::svg::{Area, Pen, Sheet, Svg, Type};

/// What the drawing has, by the step that adds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Words,
    Process,
    Uts,
    Child,
    Hostname,
    Pids,
    Root,
    Proc,
    Cgroup,
}

impl Part {
    /// The number of the step, and of the part in the drawing.
    pub fn step(self) -> u8 {
        match self {
            Self::Words => 1,
            Self::Process => 2,
            Self::Uts => 3,
            Self::Child | Self::Hostname => 4,
            Self::Pids => 5,
            Self::Root => 6,
            Self::Proc => 7,
            Self::Cgroup => 8,
        }
    }

    pub fn colour(self) -> &'static str {
        self.colours().0
    }

    /// For lines and letters, and for the ground of what is new.
    fn colours(self) -> (&'static str, &'static str) {
        match self {
            Self::Words => ("#4d4d4a", "#e9e9e4"),
            Self::Process | Self::Child => ("#1f5fa8", "#e2edf9"),
            Self::Uts | Self::Hostname => ("#b7410e", "#fbeae1"),
            Self::Pids => ("#6d3fa8", "#efe8f8"),
            Self::Root => ("#36761a", "#e5f2de"),
            Self::Proc => ("#00727d", "#def1f2"),
            Self::Cgroup => ("#b01e5a", "#fae4ed"),
        }
    }
}

struct Step {
    /// The crate, and so the file.
    name: &'static str,
    part: Part,
    title: &'static str,
    note: &'static str,
    alt: &'static str,
}

const STEPS: [Step; 8] = [
    Step {
        name: "step01-run",
        part: Part::Words,
        title: "the word run",
        note: "The words are printed. bash is not executed.",
        alt: "On the host, a shell has started the program run with the words run and bash. \
              There is no process bash: the words are only printed.",
    },
    Step {
        name: "step02-exec",
        part: Part::Process,
        title: "a process",
        note: "run starts bash, and waits until it ends.",
        alt: "Three processes, all on the host: the shell has started run, and run has \
              started bash. bash has the host's hostname, PIDs and files.",
    },
    Step {
        name: "step03-uts",
        part: Part::Uts,
        title: "a UTS namespace",
        note: "run and bash are in it. Its hostname is a copy.",
        alt: "A frame around run and bash is their UTS namespace. Its hostname is still \
              laptop, a copy of the host's. The shell is outside.",
    },
    Step {
        name: "step04-child",
        part: Part::Child,
        title: "a setup from within",
        note: "child sets the hostname, then starts bash.",
        alt: "Between run and bash there is a new process, child. The hostname in their UTS \
              namespace is now container; on the host it is still laptop.",
    },
    Step {
        name: "step05-pid",
        part: Part::Pids,
        title: "a PID namespace",
        note: "child is PID 1 there. run stays outside.",
        alt: "A frame around child and bash is their PID namespace: child is PID 1 and bash \
              PID 2, and for the host they are 26408 and 26409. run is outside this frame.",
    },
    Step {
        name: "step06-chroot",
        part: Part::Root,
        title: "a root filesystem",
        note: "The container's / is a folder on the host.",
        alt: "Below the processes is the host's tree of files, and in it the folder rootfs, \
              with bin, etc, proc and usr. It is the / of child and bash.",
    },
    Step {
        name: "step07-proc",
        part: Part::Proc,
        title: "a mount namespace",
        note: "It has a /proc that shows PIDs 1 and 2 alone.",
        alt: "A frame around run, child and bash is their mount namespace. Only in it, a \
              /proc that shows the PIDs 1 and 2 is mounted on the folder proc in rootfs.",
    },
    Step {
        name: "step08-cgroup",
        part: Part::Cgroup,
        title: "a cgroup",
        note: "20 places for processes, and two are taken.",
        alt: "A frame around child and bash is their cgroup. It has 20 places for processes, \
              and two of them are taken. run is outside this frame.",
    },
];

/// Later than all steps: everything is there, and nothing new.
const OVERVIEW: u8 = 9;
const OVERVIEW_TITLE: &str = "Eight steps to a container";
const OVERVIEW_ALT: &str = "The container of step 8, with a number at each part for the step \
    that adds it: 1 the words run and bash, 2 the process bash, 3 a UTS namespace, 4 child and \
    the hostname container, 5 a PID namespace, 6 a root filesystem, 7 a mount namespace with a \
    /proc, 8 a cgroup.";

/// The size of a drawing. Legends and headings are not in it.
pub const DRAWING: (f64, f64) = (600.0, 716.0);
/// How much of that is free on the left, and on the right.
pub const INSET: f64 = 12.0;
const HEADING: f64 = 86.0;
const LEGEND: f64 = 150.0;

/// All pictures: file name and content.
pub fn all() -> Vec<(String, String)> {
    let steps = STEPS.iter().map(|step| step.part.step());
    let mut all: Vec<_> = steps
        .map(|number| (format!("{}.svg", name(number)), step(number)))
        .collect();
    all.push(("overview.svg".into(), overview()));
    all
}

/// What the picture of a step shows, in words; 0 is the overview.
pub fn alt(number: u8) -> &'static str {
    match number {
        0 => OVERVIEW_ALT,
        number => STEPS[usize::from(number) - 1].alt,
    }
}

/// What step 8 has, with a number at each part.
pub fn container() -> Svg {
    drawing(OVERVIEW)
}

fn name(number: u8) -> &'static str {
    STEPS[usize::from(number) - 1].name
}

fn step(number: u8) -> String {
    let Step {
        part, title, note, ..
    } = STEPS[usize::from(number) - 1];
    let mut svg = ground(HEADING + DRAWING.1);
    badge(&mut svg, (36.0, 32.0), part, 1.3, true);
    svg.text(64.0, 41.0, Type { size: 26.0, ..BOLD }, title);
    svg.text(22.0, 73.0, SANS, note);
    svg.place(&drawing(number), (0.0, HEADING), (1.0, 1.0));
    file(
        svg,
        name(number),
        &format!("Step {number}: {title}"),
        alt(number),
        HEADING + DRAWING.1,
    )
}

fn overview() -> String {
    let height = 54.0 + DRAWING.1 + LEGEND;
    let mut svg = ground(height);
    let size = 26.0;
    svg.text(22.0, 38.0, Type { size, ..BOLD }, OVERVIEW_TITLE);
    svg.place(&container(), (0.0, 54.0), (1.0, 1.0));
    for (index, step) in STEPS.iter().enumerate() {
        let x = 36.0 + 290.0 * (index / 4) as f64;
        let y = 54.0 + DRAWING.1 + 16.0 + 34.0 * (index % 4) as f64;
        badge(&mut svg, (x, y), step.part, 1.0, true);
        svg.text(x + 24.0, y + 7.0, SANS, step.title);
    }
    file(svg, "overview", OVERVIEW_TITLE, OVERVIEW_ALT, height)
}

/// On a page the letters are as high as the page's, when there is room for that.
fn file(svg: Svg, id: &str, title: &str, text: &str, height: f64) -> String {
    let pixels = |length: f64| (0.8 * length).round().to_string();
    svg.file(&Sheet {
        id,
        title,
        text,
        size: (pixels(DRAWING.0), pixels(height)),
        view: (DRAWING.0, height),
    })
}

const INK: &str = "#222222";
const GREY: &str = "#6b6b66";
const WHITE: &str = "#ffffff";
const SANS: Type = Type {
    family: "sans-serif",
    size: 20.0,
    colour: INK,
    bold: false,
};
const BOLD: Type = Type { bold: true, ..SANS };
const MONO: Type = Type {
    family: "monospace",
    ..SANS
};
const CALM: f64 = 1.75;
const STRONG: f64 = 4.0;
const HOST: Pen = Pen {
    colour: "#8c8c86",
    width: CALM,
    fill: WHITE,
    dashed: false,
};

// Where things are, in every picture.
const HOST_FRAME: Area = Area::new(INSET, 0.0, DRAWING.0 - 2.0 * INSET, 704.0);
const MOUNT_FRAME: Area = Area::new(26.0, 96.0, 548.0, 428.0);
const UTS_FRAME: Area = Area::new(40.0, 134.0, 520.0, 330.0);
const CGROUP_FRAME: Area = Area::new(56.0, 226.0, 488.0, 226.0);
const PID_FRAME: Area = Area::new(70.0, 238.0, 460.0, 150.0);
const ROOT_FRAME: Area = Area::new(118.0, 600.0, 412.0, 88.0);
const SHELL: Area = process_at(46.0);
const RUN: Area = process_at(174.0);
const CHILD: Area = process_at(278.0);
const COMMAND: Area = process_at(338.0);
const OWN_PROC: Area = Area::new(222.0, 474.0, 170.0, 38.0);
/// Numbers on the left of it, names on the right.
const CHAIN: f64 = 126.0;
const NUMBERS: f64 = 88.0;
const NAMES: f64 = 140.0;
const PIDS: f64 = 348.0;
/// Two lines lead down to the files.
const PROC_LINE: f64 = 303.0;
const ROOT_LINE: f64 = 500.0;

const fn process_at(y: f64) -> Area {
    Area::new(106.0, y, 92.0, 36.0)
}

fn ground(height: f64) -> Svg {
    let mut svg = Svg::default();
    let pen = Pen {
        colour: "#d4d4ce",
        width: 1.0,
        fill: "#f6f6f4",
        dashed: false,
    };
    let area = Area::new(0.5, 0.5, DRAWING.0 - 1.0, height - 1.0);
    svg.rect(area, 10.0, pen);
    svg
}

/// The number of a part, in a circle: filled if it is new.
pub fn badge(svg: &mut Svg, (x, y): (f64, f64), part: Part, scale: f64, new: bool) {
    let (ground, figure) = if new {
        (part.colour(), WHITE)
    } else {
        (WHITE, part.colour())
    };
    let pen = Pen {
        colour: part.colour(),
        width: CALM * scale,
        fill: ground,
        dashed: false,
    };
    let radius = 13.0 * scale;
    svg.circle((x, y), radius, pen);
    let set = Type {
        size: 20.0 * scale,
        colour: figure,
        ..BOLD
    };
    let area = Area::new(x - radius, y - radius, 2.0 * radius, 2.0 * radius);
    svg.centred(area, set, part.step());
}

fn drawing(step: u8) -> Svg {
    let mut canvas = Canvas {
        svg: Svg::default(),
        step,
    };
    canvas.host();
    canvas.frames();
    canvas.processes();
    canvas.words();
    canvas.hostname();
    canvas.pids();
    canvas.places();
    canvas.files();
    canvas.root();
    canvas.own_proc();
    canvas.badges();
    canvas.svg
}

struct Canvas {
    svg: Svg,
    step: u8,
}

impl Canvas {
    fn has(&self, part: Part) -> bool {
        part.step() <= self.step
    }

    fn is_new(&self, part: Part) -> bool {
        part.step() == self.step
    }

    fn pen(&self, part: Part) -> Pen {
        let (colour, ground) = part.colours();
        let (width, fill) = if self.is_new(part) {
            (STRONG, ground)
        } else {
            (CALM, WHITE)
        };
        Pen {
            colour,
            width,
            fill,
            dashed: false,
        }
    }

    fn set(&self, part: Part, set: Type) -> Type {
        Type {
            colour: part.colour(),
            bold: self.is_new(part),
            ..set
        }
    }

    /// A box with a word in it.
    fn tag(&mut self, area: Area, pen: Pen, set: Type, text: &str) {
        self.svg.rect(area, 6.0, pen);
        let colour = pen.colour;
        let colour = if colour == HOST.colour { GREY } else { colour };
        self.svg.centred(area, Type { colour, ..set }, text);
    }

    fn part_tag(&mut self, part: Part, area: Area, text: &str) {
        self.tag(area, self.pen(part), self.set(part, MONO), text);
    }

    fn host(&mut self) {
        self.svg.rect(HOST_FRAME, 10.0, HOST);
        let set = Type {
            colour: GREY,
            ..SANS
        };
        self.svg.text(28.0, 28.0, set, "host");
        self.hostname_at(8.0, HOST, MONO, "laptop");
        self.tag(SHELL, HOST, MONO, "shell");
        self.host_pid(SHELL, "PID 812");
    }

    fn hostname_at(&mut self, y: f64, pen: Pen, set: Type, name: &str) {
        let colour = if set.colour == INK { GREY } else { set.colour };
        let plain = Type { colour, ..SANS };
        self.svg.text(306.0, y + 21.0, plain, "hostname");
        self.tag(Area::new(410.0, y, 118.0, 28.0), pen, set, name);
    }

    fn host_pid(&mut self, process: Area, text: &str) {
        let set = Type {
            colour: GREY,
            ..SANS
        };
        self.svg.text(PIDS, process.y + 25.0, set, text);
    }

    /// From the outermost to the innermost.
    fn frames(&mut self) {
        for (part, frame, name) in [
            (Part::Proc, MOUNT_FRAME, "mount namespace"),
            (Part::Uts, UTS_FRAME, "UTS namespace"),
            (Part::Cgroup, CGROUP_FRAME, ""),
            (Part::Pids, PID_FRAME, "PID namespace"),
        ] {
            if !self.has(part) {
                continue;
            }
            self.svg.rect(frame, 10.0, self.pen(part));
            let colour = part.colour();
            let set = Type { colour, ..SANS };
            self.svg.text(NAMES, frame.y + 27.0, set, name);
        }
    }

    fn processes(&mut self) {
        self.run();
        if !self.has(Part::Process) {
            self.no_command();
            return;
        }
        let (before, part) = if self.has(Part::Child) {
            self.starts(RUN, CHILD, self.pen(Part::Child));
            self.part_tag(Part::Child, CHILD, "child");
            (CHILD, Part::Child)
        } else {
            (RUN, Part::Process)
        };
        self.starts(before, COMMAND, self.pen(part));
        self.part_tag(Part::Process, COMMAND, "bash");
    }

    /// A process from the first step on, and so new when the words are.
    fn run(&mut self) {
        let (colour, ground) = Part::Process.colours();
        let pen = self.pen(Part::Words);
        let bold = self.is_new(Part::Words);
        let fill = if bold { ground } else { WHITE };
        let pen = Pen {
            colour,
            fill,
            ..pen
        };
        self.starts(SHELL, RUN, pen);
        self.tag(RUN, pen, Type { bold, ..MONO }, "run");
        self.host_pid(RUN, "PID 26407");
    }

    /// Where the command would be.
    fn no_command(&mut self) {
        let dashed = true;
        self.tag(COMMAND, Pen { dashed, ..HOST }, MONO, "bash");
        let colour = GREY;
        let y = COMMAND.y + 25.0;
        self.svg
            .text(214.0, y, Type { colour, ..SANS }, "no such process");
    }

    /// The arrow from a process to the one that it starts.
    fn starts(&mut self, from: Area, to: Area, pen: Pen) {
        let end = to.y - pen.width / 2.0;
        self.svg.arrow(&[(CHAIN, from.bottom()), (CHAIN, end)], pen);
    }

    /// What `run` was told.
    fn words(&mut self) {
        let y = RUN.y + 4.0;
        self.part_tag(Part::Words, Area::new(210.0, y, 50.0, 28.0), "run");
        self.part_tag(Part::Words, Area::new(271.0, y, 62.0, 28.0), "bash");
    }

    fn hostname(&mut self) {
        if !self.has(Part::Uts) {
            return;
        }
        let (part, name) = if self.has(Part::Hostname) {
            (Part::Hostname, "container")
        } else {
            (Part::Uts, "laptop")
        };
        let (pen, set) = (self.pen(part), self.set(part, MONO));
        self.hostname_at(UTS_FRAME.y + 6.0, pen, set, name);
    }

    /// The numbers of `child` and the command.
    fn pids(&mut self) {
        if self.has(Part::Pids) {
            let rows = [
                (CHILD, "PID 1", "host: 26408"),
                (COMMAND, "PID 2", "host: 26409"),
            ];
            for (process, own, host) in rows {
                let area = Area::new(214.0, process.y + 3.0, 84.0, 30.0);
                self.svg.rect(area, 15.0, self.pen(Part::Pids));
                self.svg.centred(area, self.set(Part::Pids, SANS), own);
                self.host_pid(process, host);
            }
        } else if self.has(Part::Child) {
            self.host_pid(CHILD, "PID 26408");
            self.host_pid(COMMAND, "PID 26409");
        } else if self.has(Part::Process) {
            self.host_pid(COMMAND, "PID 26408");
        }
    }

    /// The cap of the cgroup: one square for each process that can be.
    fn places(&mut self) {
        if !self.has(Part::Cgroup) {
            return;
        }
        let y = PID_FRAME.bottom();
        let colour = Part::Cgroup.colour();
        let name = Type { colour, ..SANS };
        self.svg.text(112.0, y + 28.0, name, "cgroup");
        let cap = self.set(Part::Cgroup, MONO);
        self.svg.text(200.0, y + 28.0, cap, "pids.max = 20");
        for place in 0..20 {
            let x = 106.0 + 18.0 * f64::from(place);
            let fill = if place < 2 { colour } else { WHITE };
            let pen = Pen {
                width: CALM,
                fill,
                ..self.pen(Part::Cgroup)
            };
            self.svg.rect(Area::new(x, y + 40.0, 12.0, 12.0), 2.0, pen);
        }
    }

    /// The host's tree of files, of which `rootfs` is a branch.
    fn files(&mut self) {
        let y = 544.0;
        let trunk = [(60.0, y + 16.0), (430.0, y + 16.0)];
        self.svg.line(&trunk, HOST);
        self.tag(Area::new(44.0, y, 32.0, 32.0), HOST, MONO, "/");
        let names = [
            ("bin", 100.0),
            ("etc", 166.0),
            ("home", 232.0),
            ("proc", 310.0),
            ("usr", 388.0),
        ];
        for (name, x) in names {
            self.tag(folder(name, x, y), HOST, MONO, name);
        }
    }

    fn root(&mut self) {
        if !self.has(Part::Root) {
            return;
        }
        let pen = self.pen(Part::Root);
        let top = ROOT_FRAME.y - pen.width / 2.0;
        // Between home and rootfs there may be other folders.
        let dashed = true;
        let branch = [(264.0, 576.0), (264.0, top)];
        self.svg.line(&branch, Pen { dashed, ..HOST });
        self.svg.rect(ROOT_FRAME, 10.0, pen);
        let set = self.set(Part::Root, MONO);
        self.svg.text(138.0, ROOT_FRAME.y + 27.0, set, "rootfs");
        for (name, x) in [
            ("bin", 138.0),
            ("etc", 204.0),
            ("proc", 271.0),
            ("usr", 350.0),
        ] {
            let pen = Pen {
                width: CALM,
                fill: WHITE,
                ..pen
            };
            let set = Type { bold: false, ..set };
            self.tag(folder(name, x, ROOT_FRAME.y + 42.0), pen, set, name);
        }
        self.svg
            .arrow(&[(ROOT_LINE, CHILD.y + 18.0), (ROOT_LINE, top)], pen);
        for process in [CHILD, COMMAND] {
            let area = Area::new(ROOT_LINE - 15.0, process.y + 3.0, 30.0, 30.0);
            self.part_tag(Part::Root, area, "/");
        }
    }

    /// A /proc that shows two processes, on top of the empty folder in `rootfs`.
    fn own_proc(&mut self) {
        if !self.has(Part::Proc) {
            return;
        }
        let (pen, set) = (self.pen(Part::Proc), self.set(Part::Proc, MONO));
        self.svg.rect(OWN_PROC, 6.0, pen);
        let name = Area {
            w: 80.0,
            ..OWN_PROC
        };
        self.svg.centred(name, set, "/proc");
        for (pid, x) in [("1", 310.0), ("2", 350.0)] {
            let area = Area::new(x, OWN_PROC.y + 5.0, 28.0, 28.0);
            self.tag(
                area,
                Pen {
                    width: CALM,
                    fill: WHITE,
                    ..self.pen(Part::Pids)
                },
                MONO,
                pid,
            );
        }
        let end = ROOT_FRAME.y + 42.0;
        self.svg
            .arrow(&[(PROC_LINE, OWN_PROC.bottom()), (PROC_LINE, end)], pen);
    }

    fn badges(&mut self) {
        for (part, x, y) in [
            (Part::Words, NUMBERS, RUN.middle().1),
            (Part::Process, NUMBERS, COMMAND.middle().1),
            (Part::Uts, NUMBERS, UTS_FRAME.y + 20.0),
            (Part::Child, NUMBERS, CHILD.middle().1),
            (Part::Hostname, 545.0, UTS_FRAME.y + 20.0),
            (Part::Pids, NUMBERS, PID_FRAME.y + 20.0),
            (Part::Root, NUMBERS, ROOT_FRAME.middle().1),
            (Part::Proc, NUMBERS, MOUNT_FRAME.y + 20.0),
            (Part::Cgroup, NUMBERS, PID_FRAME.bottom() + 22.0),
        ] {
            if self.has(part) {
                let filled = self.is_new(part) || self.step == OVERVIEW;
                badge(&mut self.svg, (x, y), part, 1.0, filled);
            }
        }
    }
}

/// A folder, as wide as its name.
fn folder(name: &str, x: f64, y: f64) -> Area {
    Area::new(x, y, 14.0 + 12.5 * name.len() as f64, 32.0)
}
