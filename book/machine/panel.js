'use strict';
// "Try it here": a Linux machine in the page, in which the chapter's commands can be typed. It is v86, an emulator
// of a PC, which goes on from a saved state with this book's programs in it; `book/machine/make` makes the files.
// Nothing is loaded before somebody asks for it, and nothing that is typed leaves the browser.
// Each chapter is a page of its own, and a machine lives no longer than its page. So the first click puts the
// chapter into a frame of this page, where its links and keys turn pages as ever, and the machine outside goes on.
(() => {
    if (window.frameElement?.id === 'machine-chapter') return; // its machine is outside
    const prompts = /^(root@)?[a-z][a-z0-9-]*(:[^ ]*)?[#$] /m;
    if (!prompts.test(document.querySelector('main').textContent)) return;
    const base = new URL(`${path_to_root}${rootOfAll}machine/`, location.href).href; // one for both languages
    const terminals = [];
    let files = {}, starting, list, emulator, compiler, typing;
    // --- The panel -------------------------------------------------------------------------------------------------
    const button = (textContent, title, onclick) => make('button', { type: 'button', textContent, title, onclick });
    const box = ariaLabel => make('div', { className: 'machine-terminal', hidden: true, role: 'group', ariaLabel });
    const boxes = [box('terminal'), box('second terminal')];
    const status = make('span', { className: 'machine-status', role: 'status' });
    const again = button('Try again', 'Load what is missing', start);
    const progress = make('progress', { ariaLabel: 'loaded' });
    const interrupt = button('Ctrl-C', 'Stop what runs in the terminal', () => send(panel.dataset.port, '\x03'));
    const second = button('Second terminal', 'Another terminal of the same machine', showSecond);
    const hide = button('Hide', 'Hide the terminals, or show them; the machine goes on', hideOrShow);
    const buttons = make('div', { className: 'machine-buttons' }, interrupt, second,
        button('Start anew', 'Throw this machine away, and take a fresh one', reset), hide,
        make('a', { href: `${base}NOTICES.txt`, target: '_blank', textContent: 'Notices' }));
    const divider = make('div', { className: 'machine-divider', role: 'separator', tabIndex: 0, ariaLabel: 'Size',
        ariaValueNow: 45 });
    const panel = make('section', { id: 'machine', className: 'machine-loading', ariaLabel: 'A Linux machine' },
        divider, make('div', { className: 'machine-bar' }, status, progress, again, buttons),
        make('div', { className: 'machine-terminals' }, ...boxes));
    panel.dataset.port = 0;
    Object.assign(interrupt, { className: 'machine-touch', onmousedown: event => event.preventDefault() });
    // mdBook turns pages with the arrow keys, and searches at an `s`: not while one types here.
    for (const kind of ['keydown', 'keypress', 'keyup']) panel.addEventListener(kind, event => event.stopPropagation());
    document.querySelector('main h1:not(:has(+ p)), main h1 + p').after(make('p', { className: 'machine-note' },
        button('Try it here', 'Start a Linux machine', start),
        told(' A Linux machine in this page, with the programs of this book in it. It is some 10 MB to load,'
            + ' runs in your browser, and nothing that you type leaves it.')));
    const say = (text = told('Escape twice leaves the terminal.')) => {
        if (status.textContent !== text) status.textContent = text; // or a screen reader says it again
    };
    function hideOrShow() {
        if (!panel.classList.toggle('machine-hidden')) return show(panel.dataset.port);
        hide.textContent = told('Show');
    }
    function showSecond() {
        boxes[1].hidden = boxes[1].offsetWidth > 0; // on a narrow screen one is shown, the last that was asked for
        show(boxes[1].hidden ? 0 : 1);
    }
    const sizeAt = ({ x, y }) => 1 - (panel.offsetLeft > 0 ? x / innerWidth : y / document.body.offsetHeight);
    function resize(size) {
        divider.ariaValueNow = Math.round(100 * size);
        document.body.style.setProperty('--machine-size', `clamp(15%, ${100 * size}%, 85%)`);
    }
    const steps = { ArrowUp: 0.05, ArrowLeft: 0.05, ArrowDown: -0.05, ArrowRight: -0.05 };
    divider.onkeydown = ({ key }) => resize(sizeAt(panel.getBoundingClientRect()) + (steps[key] ?? 0));
    divider.onpointerdown = ({ pointerId }) => divider.setPointerCapture(pointerId);
    divider.onpointermove = event => divider.hasPointerCapture(event.pointerId) && resize(sizeAt(event));
    // A phone's keyboard covers a part of the page: what it leaves is for the chapter and the terminal.
    window.visualViewport?.addEventListener('resize', ({ target: { scale, height } }) => {
        if (scale < 1.01) document.body.style.setProperty('--machine-height', `${height}px`);
    });

    // --- The chapter in its frame ----------------------------------------------------------------------------------
    const frame = make('iframe', { id: 'machine-chapter', src: location.href, onload: arrive });
    const colours = new MutationObserver(() => {
        document.documentElement.className = frame.contentDocument.documentElement.className;
        for (const { term } of terminals) term.options.theme = theme();
    });
    function arrive() {
        const { contentDocument: page, contentWindow: view } = frame;
        if (!page?.querySelector('main')) return; // a server may forbid frames: the chapter stays where it is
        if (!document.body.classList.contains('machine-on')) {
            view.scrollTo(0, scrollY);
            for (const old of [...document.body.children]) if (old !== frame && old !== panel) old.remove();
            document.body.classList.add('machine-on');
        }
        (view.onhashchange = () => history.replaceState(null, '', view.location.href))();
        document.title = frame.title = page.title;
        colours.observe(page.documentElement, { attributes: true, attributeFilter: ['class'] });
        for (const link of page.links) if (link.origin !== location.origin) link.target = '_blank';
        for (const code of page.querySelectorAll('main pre > code:is(.language-console, .language-text)')) offer(code);
    }

    // --- Loading ---------------------------------------------------------------------------------------------------
    function start() {
        starting ??= begin().catch(error => {
            starting = null;
            panel.classList.add('machine-failed');
            again.hidden = error.isLasting;
            say(error.isLasting ? error.message : told('The machine is not loaded ({}).', error.message));
        });
    }
    const refuse = message => { throw Object.assign(Error(told(message)), { isLasting: true }); };
    async function begin() {
        document.body.append(panel);
        panel.classList.remove('machine-failed');
        if (location.protocol === 'file:') refuse('A page that is opened as a file may load nothing. '
            + 'Type `python3 -m http.server` in its folder, and open http://localhost:8000.');
        if (!window.WebAssembly) refuse('The machine needs WebAssembly, and this browser has none, or it is off.');
        const answer = await fetch(`${base}machine.json`, { cache: 'no-cache' });
        if (answer.status === 404) refuse('This copy of the book comes without the machine: '
            + '`book/machine/make` makes it, and then `mdbook build book` takes it along.');
        list = await answer.json();
        document.head.append(make('link', { rel: 'stylesheet', href: `${base}${list.folder}/xterm.css` }));
        let loaded = 0;
        const count = part => {
            progress.value = (loaded += part.size ?? part.length) / list.bytes;
            say(told('Loading … {} of {} MB', Math.round(loaded / 1e6), Math.round(list.bytes / 1e6)));
            return part;
        };
        const scripts = ['libv86.js', 'xterm.js', 'addon-fit.js', 'fzstd.js']; // v86 unpacks, too, but keeps the memory
        const loads = ['state.zst', 'v86.wasm', ...scripts].map(name => load(name, count));
        await Promise.allSettled(loads).then(() => Promise.all(loads)); // what still loads speaks before an error does
        if (!frame.isConnected) panel.before(frame);
        for (const name of scripts) document.head.append(make('script', {}, await files[name].text()));
        const wasm = await WebAssembly.compile(await files['v86.wasm'].arrayBuffer());
        await new Promise((done, fail) => {
            const wasm_fn = env => WebAssembly.instantiate(wasm, env).then(made => (compiler = made.exports), fail);
            emulator = new V86({ ...list.options, wasm_fn, autostart: false });
            emulator.add_listener('emulator-loaded', done);
        });
        files = { 'state.zst': files['state.zst'] }; // a fresh machine takes no more
        setInterval(() => document.hidden || compiler.jit_clear_cache_js(), 10_000); // what is compiled adds up
        terminals.push(terminal(0), terminal(1));
        panel.classList.remove('machine-loading');
        await reset();
    }
    async function load(name, count) {
        if (files[name]) return count(files[name]);
        const answer = await fetch(`${base}${list.folder}/${name}`);
        if (!answer.ok) throw Error(`${name}: ${answer.status}`);
        const parts = [];
        for await (const part of answer.body) parts.push(count(part));
        files[name] = new Blob(parts); // for another try, too
    }

    // --- The machine, and its terminals ----------------------------------------------------------------------------
    // Two ports are the terminals. By the third, the machine is told the time and how big they are.
    function send(port, text) {
        if (text.includes('\r')) terminals[port].entered = terminals[port].term.registerMarker(0);
        emulator.serial_send_bytes(port, new TextEncoder().encode(text));
    }
    // A hidden page takes no power: its machine stands still.
    async function wake() {
        if (document.hidden) return emulator.stop();
        await emulator.run();
        send(2, `clock ${Date.now() / 1000}\n`);
    }
    document.addEventListener('visibilitychange', () => emulator && wake());
    async function reset() {
        typing = null;
        say(told('Starting …'));
        await emulator.stop();
        await emulator.restore_state(fzstd.decompress(new Uint8Array(await files['state.zst'].arrayBuffer())));
        await wake();
        for (const port of [0, 1]) {
            terminals[port].term.reset();
            terminals[port].entered = null;
            fit(port);
            send(port, '\f'); // its shell is there, and shows its prompt again
        }
        show(panel.dataset.port);
        say();
    }
    function theme() {
        const { color: foreground, backgroundColor: background } = getComputedStyle(panel);
        return { background, foreground, cursor: foreground, cursorAccent: background, selectionBackground: '#8886' };
    }
    function terminal(port) {
        const options = { fontSize: innerWidth < 600 ? 12 : 14, lineHeight: 1.15, screenReaderMode: true };
        const term = new Terminal({ ...options, theme: theme() });
        const self = { term, fitter: new FitAddon.FitAddon() };
        let resized, bytes = [], escapes = 0;
        term.loadAddon(self.fitter);
        term.open(boxes[port]);
        term.textarea.onfocus = () => { panel.dataset.port = port; };
        term.onData(text => send(port, text));
        emulator.add_listener(`serial${port}-output-byte`, byte => {
            if (bytes.push(byte) === 1) setTimeout(() => { term.write(new Uint8Array(bytes)); bytes = []; });
        });
        new ResizeObserver(() => { clearTimeout(resized); resized = setTimeout(fit, 100, port); }).observe(boxes[port]);
        term.attachCustomKeyEventHandler(({ type, key, ctrlKey }) => {
            if (type !== 'keydown') return true;
            if (!ctrlKey) typing = null; // the reader goes on by himself
            escapes = key === 'Escape' ? escapes + 1 : 0;
            if (escapes === 2) hide.focus();
            const copies = ctrlKey && /^c$/i.test(key) && term.hasSelection();
            if (copies) setTimeout(() => term.clearSelection());
            return !escapes && !copies && !(ctrlKey && /^v$/i.test(key)); // the browser copies and pastes
        });
        return self;
    }
    function fit(port) {
        const { term, fitter } = terminals[port];
        if (boxes[port].offsetWidth) fitter.fit();
        send(2, `size ${port} ${term.rows} ${term.cols}\n`);
    }
    function show(port) {
        panel.classList.remove('machine-hidden');
        panel.dataset.port = port;
        boxes[port].hidden = false;
        hide.textContent = told('Hide');
        second.ariaPressed = !boxes[1].hidden;
        if (!matchMedia('(pointer: coarse)').matches) terminals[port].term.focus(); // or a phone's keyboard comes up
    }

    // --- "Type this" -----------------------------------------------------------------------------------------------
    // Has this prompt come since the last line was typed? Other messages may have covered it.
    function isAt(prompt, { entered, term: { buffer: { active } } }) {
        const cursor = active.baseY + active.cursorY;
        for (let i = cursor; i > (entered?.line ?? -1); i--) {
            const line = active.getLine(i).translateToString().trimEnd().replace(/^(\^C)+/, '');
            if (i === cursor ? line === prompt : line.startsWith(prompt)) return true;
        }
    }
    // Each line waits for its prompt, as a reader would, and what the reader has to do is left to him.
    async function type(code) {
        await starting;
        const port = Number(code.classList.contains('second')), mine = typing = {};
        let task;
        show(port);
        for (const line of code.textContent.split('\n')) {
            const [prompt] = line.match(prompts) ?? [];
            if (line === '^C') task = told('Now press Ctrl-C.');
            if (!prompt) continue;
            for (let i = 0; !isAt(prompt.trim(), terminals[port]); i++) {
                if (typing !== mine) return say();
                if (task || i > 100) say(task ?? told('Waiting for the prompt {}…', prompt));
                await new Promise(done => setTimeout(done, 50));
            }
            send(port, `${line.slice(prompt.length)}\r`);
            task = null;
            say();
        }
    }
    function offer(code) {
        const typed = code.textContent.split('\n').filter(line => prompts.test(line));
        const found = list.cannot.find(([words]) => typed.some(line => RegExp(words).test(line.replace(prompts, ''))));
        const why = /^[#$] /.test(code.textContent) ? 'it takes what only your machine has' : found?.[1];
        if (!why && !typed.length) return;
        const key = button('Type this', 'Type this into the machine in this page', () => type(code));
        const what = why ? told('Not in this machine: {}.', told(why)) : key;
        code.parentElement.after(make('p', { className: 'machine-type' }, what));
    }
    window.machine = { terminals, get emulator() { return emulator; } }; // for the tests
})();
