// Shows only the layers of this page in which all the words occur. The form asks the server for the other pages.
const words = document.getElementById("words");
const count = document.getElementById("count");
const entries = [...document.querySelectorAll(".layers li")].map((element) => ({
  element,
  text: element.querySelectorAll("h2, .about").length
    ? [...element.querySelectorAll("h2, .about")].map((part) => part.textContent).join(" ").toLowerCase()
    : "",
}));
const before = count.textContent;

words.addEventListener("input", () => {
  const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const { element, text } of entries) {
    element.hidden = !wanted.every((word) => text.includes(word));
    shown += element.hidden ? 0 : 1;
  }
  count.textContent = wanted.length ? `${shown} of the ${entries.length} layers on this page; Find searches all` : before;
});
