// One button: connect, and show what came back.

// The demo's server, unless the address of this page names another one: ?host=http://localhost:4000
const host = new URLSearchParams(location.search).get('host') ?? 'http://localhost:3004';
const handfast = new Handfast(host);

const button = document.querySelector('#connect');
const progress = document.querySelector('#progress');
const result = document.querySelector('#result');

button.onclick = () => {
  showProgress();
  handfast
    .connect('demo', 'user-1', { onEvent: (event) => showProgress(event.type) })
    .then((connected) => {
      show('connected', `${connected.connectionId} is connected to ${connected.configKey}.`, 'Now ask for the token, below.');
    })
    .catch((error) => show('failed', error.code, error.message));
};

function showProgress(reached) {
  progress.hidden = false;
  for (const step of progress.children) {
    if (!reached) step.classList.remove('done');
    if (step.dataset.event === reached) step.classList.add('done');
  }
  if (!reached) show('', '', '');
}

function show(state, title, text) {
  result.className = state;
  result.replaceChildren();
  for (const [tag, content] of [['strong', title], ['span', text]]) {
    if (!content) continue;
    const line = document.createElement(tag);
    line.textContent = content;
    result.append(line);
  }
}

for (const place of document.querySelectorAll('[data-host]')) place.textContent = host;

const copy = document.querySelector('#copy');
copy.onclick = async () => {
  try {
    await navigator.clipboard.writeText(document.querySelector('#curl').textContent);
    copy.textContent = 'Copied';
  } catch {
    // The clipboard is only for pages on localhost or https: select the text instead.
    getSelection().selectAllChildren(document.querySelector('#curl'));
    copy.textContent = 'Selected';
  }
};
