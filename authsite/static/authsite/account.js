// Moves the token out of the link's fragment, and out of the history, into the form.
"use strict";

const field = document.getElementById("id_token");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (token) {
  history.replaceState(null, "", location.pathname);
  if (field && !field.value) field.value = token;
}
if (field && field.value && !field.hasAttribute("aria-invalid")) {
  for (const part of document.querySelectorAll("[data-by-hand]")) part.hidden = true;
}
