// A question and its options. The kernel holds the state: a press sends a wish, the frame says what came of it.

const MARKS = { right: "✓ ", wrong: "✗ ", chosen: "● " };

function make(name, className, text) {
  const element = document.createElement(name);
  element.className = className;
  if (text !== undefined) element.textContent = text; // text nodes only: an option is never HTML
  return element;
}

function render({ model, el }) {
  const root = make("div", "ap");
  const question = make("div", "ap-question");
  const options = make("div", "ap-options");
  options.setAttribute("role", "group");
  const said = make("div", "ap-said");
  said.setAttribute("role", "status"); // read out when it changes
  root.append(question, options, said);
  el.append(root);

  const buttons = [];
  function paint() {
    const frame = model.get("_frame");
    const gone = model.get("_gone") === true;
    const open = frame.chosen === null && frame.answer === null && !gone;
    question.textContent = frame.question;
    options.setAttribute("aria-label", frame.question); // no id: another prediction's page might hold the same one
    while (buttons.length > frame.options.length) buttons.pop().remove();
    frame.options.forEach((option, i) => {
      if (!buttons[i]) {
        buttons[i] = make("button", "ap-option");
        buttons[i].type = "button";
        buttons[i].addEventListener("click", () => model.send({ choose: i }));
        options.append(buttons[i]);
      }
      const state =
        i === frame.answer ? "right" : i !== frame.chosen ? "" : frame.answer === null ? "chosen" : "wrong";
      buttons[i].textContent = (MARKS[state] ?? "") + option;
      buttons[i].dataset.state = state;
      buttons[i].setAttribute("aria-pressed", String(i === frame.chosen));
      // not `disabled`: the focus stays where the learner left it, and a press is answered in words
      buttons[i].setAttribute("aria-disabled", String(!open));
    });
    said.textContent = gone ? RUN_AGAIN : frame.said;
  }
  const changes = ["change:_frame", "change:_gone"];
  for (const change of changes) model.on(change, paint);
  paint();
  return () => { for (const change of changes) model.off(change, paint); };
}

export default { initialize: (context) => noteKernel(context), render };
