// actions: what an operator may do from here, if slotway allows it. Each is asked about first,
// except for looking again at the cluster, which changes nothing.

const ANSWER_MS = 6000;
let answerTimer = 0;

function ask(text, yes) {
  const dialog = byId('question');
  setText(byId('question-text'), text);
  setText(byId('question-yes'), yes);
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}

async function act(action, fields = {}) {
  try {
    const answer = await fetch(address(`/action/${action}`), {
      method: 'POST',
      body: new URLSearchParams({ token: model.snapshot.actions.token, ...fields }),
    });
    const { ok, text } = await answer.json();
    say(text, ok);
  } catch {
    say('slotway did not answer; whether it was done is not known', false);
  }
}

function say(text, good) {
  const answer = byId('answer');
  show(answer, true);
  setText(answer, text);
  setAttribute(answer, 'data-good', good ? 'yes' : 'no');
  clearTimeout(answerTimer);
  answerTimer = setTimeout(() => show(answer, false), ANSWER_MS);
}

async function closeClient(client) {
  const name = client.name ? `${client.name} at ${client.address}` : client.address;
  if (await ask(`Close the connection of client ${client.id}, ${name}?`, 'Close it')) {
    act('close-client', { id: client.id });
  }
}

function makeActions() {
  byId('action-refresh').addEventListener('click', () => act('refresh'));
  byId('action-resume').addEventListener('click', () => act('resume'));
  byId('action-drain').addEventListener('click', async () => {
    if (
      await ask(
        'Accept no more clients, and close those that there are as they become idle?',
        'Drain',
      )
    )
      act('drain');
  });
}

function drawActions() {
  const { actions, proxy } = model.snapshot;
  show(byId('action-refresh'), actions.allowed);
  show(byId('action-drain'), actions.allowed && proxy.state !== 'draining');
  show(byId('action-resume'), actions.allowed && proxy.state === 'draining');
}
