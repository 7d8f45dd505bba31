// 3D Secure in the page: the bank's own page in a frame, in a dialog. Closing the dialog counts as a refusal.

/** Resolves when the customer has answered the bank, or has closed the dialog. */
function challenge(url) {
  return new Promise((resolve) => {
    const host = make('div');
    const frame = make('iframe', { src: url, title: 'Your bank: confirm this payment', referrerpolicy: 'no-referrer' });
    const close = make('button', { type: 'button', class: 'close', onclick: () => refuse() }, 'Cancel');
    const dialog = make('dialog', { 'aria-label': '3D Secure', oncancel: (event) => { event.preventDefault(); refuse(); } }, frame, close);
    shadow(host).append(dialog);
    document.body.append(host);
    dialog.showModal();

    const end = () => {
      removeEventListener('message', hear);
      host.remove();
      resolve();
    };
    const hear = (event) => {
      if (event.origin === home && event.source === frame.contentWindow) end();
    };
    const refuse = async () => {
      await fetch(url, { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ outcome: 'failure' }) }).catch(() => {});
      end();
    };
    addEventListener('message', hear);
  });
}
