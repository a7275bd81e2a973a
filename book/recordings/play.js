'use strict';
// The first transcript of a step's chapter can be played: `make` puts its recording, and asciinema's player, beside
// the pages. Where they are not, there is no button. Nothing is loaded before somebody asks for it.
(async () => {
    const [, page] = location.pathname.match(/([^/]*?)(\.html)?$/);
    const transcript = document.querySelector('main pre:has(> code.language-console)');
    if (!/^step\d/.test(page) || !transcript || location.protocol === 'file:') return;
    const base = new URL(`${path_to_root}${rootOfAll}recordings/`, location.href).href; // one for both languages
    const recording = `${base}${page}.cast`;
    const answer = await fetch(recording, { method: 'HEAD' }).catch(() => null);
    if (!answer?.ok) return;

    const [play, show] = [told('Play'), told('Show the text')];
    const load = element => new Promise((onload, onerror) => document.head.append(Object.assign(element, { onload, onerror })));
    const button = make('button', { type: 'button', textContent: play, onclick: toggle });
    const line = make('p', { className: 'recording-button' }, button);
    // The machine in the page puts a line of its own below a transcript.
    const other = transcript.nextElementSibling;
    (other?.matches('.machine-type') ? other : transcript).after(line);

    let loaded, screen, player;
    async function toggle() {
        if (screen) return close();
        screen = make('div', { className: 'recording' });
        // At the arrow keys mdBook turns pages, before the player hears of them: not while one is here.
        screen.addEventListener('keydown', async event => {
            const seconds = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
            if (!seconds) return;
            event.stopPropagation();
            player.seek(Math.max(0, await player.getCurrentTime() + seconds));
        });
        loaded ??= Promise.all([
            load(make('link', { rel: 'stylesheet', href: `${base}asciinema-player.css` })),
            load(make('script', { src: `${base}asciinema-player.min.js` })),
        ]);
        const isLoaded = await loaded.then(() => true, () => false);
        if (!isLoaded) return line.remove(); // the text is still there
        transcript.after(screen);
        transcript.hidden = true;
        button.textContent = show;
        player = AsciinemaPlayer.create(recording, screen, {
            theme: 'book',
            terminalFontFamily: 'var(--mono-font)',
            // Whoever wants nothing to move sees how it ends, and goes through it by hand.
            ...(matchMedia('(prefers-reduced-motion)').matches ? { poster: 'npt:9:59' } : { autoPlay: true }),
        });
        screen.querySelector('[tabindex]')?.focus();
    }
    function close() {
        player.dispose();
        screen.remove();
        screen = null;
        transcript.hidden = false;
        button.textContent = play;
    }
})();
