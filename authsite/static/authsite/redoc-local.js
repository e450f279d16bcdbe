// ReDoc shows its maker's logo from another host; this page asks no host but its own.
"use strict";
const picture = HTMLImageElement.prototype;
const { set: setSource, ...source } = Object.getOwnPropertyDescriptor(picture, "src");
const isForeign = (address) => new URL(address, location.href).host !== location.host;

picture.setAttribute = function (name, value) {
  if (name !== "src" || !isForeign(value)) Element.prototype.setAttribute.call(this, name, value);
};
Object.defineProperty(picture, "src", {
  ...source,
  set(address) {
    if (!isForeign(address)) setSource.call(this, address);
  },
});
