// An application as people write it: one button, and what came of it.
import Handfast, { ConnectError, Handfast as Named } from 'handfast';

const query = new URLSearchParams(location.search);
const handfast = new Handfast(query.get('host'));
const show = (text) => (document.querySelector('#answer').textContent = text);

document.querySelector('#connect').onclick = () =>
  handfast
    .connect('github', query.get('id'))
    .then((connected) => show(`connected ${connected.connectionId}`))
    .catch((error) => show(`${error instanceof ConnectError} ${error.code}`));
window.ready = Named === Handfast;
