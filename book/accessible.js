'use strict';

// What mdBook leaves to a mouse, or to the eye, for those who have neither.

(() => {
    // The sidebar's button is the label of a hidden box, which no key reaches: let a true one press it.
    const label = document.getElementById('mdbook-sidebar-toggle');
    const isShown = () => String(document.documentElement.classList.contains('sidebar-visible'));
    const { className, title, ariaLabel } = label;
    const toggle = make('button', { type: 'button', className, title, ariaLabel, ariaExpanded: isShown() });
    toggle.setAttribute('aria-controls', 'mdbook-sidebar');
    toggle.append(...label.childNodes);
    toggle.addEventListener('click', () => {
        label.click();
        toggle.ariaExpanded = isShown();
    });
    label.before(toggle);
    label.style.display = 'none';

    // Who jumps from part to part of a page finds the row of buttons, the search, and the list of keys, too.
    document.getElementById('mdbook-menu-bar').role = 'banner';
    document.getElementById('mdbook-search-wrapper').role = 'search';
    const searchbar = document.getElementById('mdbook-searchbar');
    searchbar.ariaLabel = searchbar.placeholder;
    const help = document.getElementById('mdbook-help-container');
    Object.assign(help, { role: 'dialog', ariaLabel: help.querySelector('h2').textContent });

    // What is wider than the page is moved by the arrow keys, once it has the focus.
    const wide = new ResizeObserver(entries => {
        for (const { target } of entries) {
            const isWide = target.scrollWidth > target.clientWidth;
            if (isWide) target.tabIndex = 0;
            else target.removeAttribute('tabindex');
        }
    });
    for (const element of document.querySelectorAll('main pre > code, main .table-wrapper')) wide.observe(element);
})();
