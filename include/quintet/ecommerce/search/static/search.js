"use strict";

const $ = (id) => document.getElementById(id);
const FACETS = ["category", "type", "brand", "colour", "material", "tags"];

const element = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
};

// Answers of the service; a key is asked for where one is needed.
const ask = async (path, parameters = []) => {
  const key = sessionStorage.getItem("key");
  const query = new URLSearchParams(parameters).toString();
  const answer = await fetch(query ? `${path}?${query}` : path, { headers: key ? { Authorization: `Bearer ${key}` } : {} });
  if (answer.status === 401) {
    sessionStorage.removeItem("key");
    if (!$("access").open) $("access").showModal();
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error?.message ?? answer.statusText);
  return body;
};

const Search = (() => {
  const chosen = Object.fromEntries(FACETS.map((name) => [name, new Set()]));
  let page = 1, turn = 0;
  const euros = new Intl.NumberFormat("en", { style: "currency", currency: "EUR" });

  const parameters = () => {
    const pairs = [["q", $("q").value.trim()], ["lang", $("lang").value], ["sort", $("sort").value], ["page", page], ["size", 12]];
    if ($("in_stock").checked) pairs.push(["in_stock", "true"]);
    for (const name of FACETS) for (const value of chosen[name]) pairs.push([name, value]);
    return pairs;
  };

  const refused = (message) => {
    $("message").textContent = message;
    $("message").hidden = !message;
  };

  const productCard = (product) => {
    const card = element("li");
    card.append(
      element("h3", product.name),
      element("p", `${euros.format(product.price)} · ${product.rating.toFixed(1)} of 5 (${product.ratings})`, "price"),
      element("p", product.description, "description"),
      element("p", product.in_stock ? `${product.inventory_count} in stock` : "out of stock", product.in_stock ? "there" : "gone"),
    );
    return card;
  };

  const facet = (name, counts) => {
    const group = element("fieldset");
    group.append(element("legend", name));
    const values = counts.slice(0, 8);
    for (const value of chosen[name]) if (!values.some((one) => one.value === value)) values.push({ value, count: 0 });
    for (const { value, count } of values) {
      const label = element("label", "", "check"), box = element("input");
      box.type = "checkbox";
      box.name = name;
      box.value = value;
      box.checked = chosen[name].has(value);
      box.addEventListener("change", () => {
        if (box.checked) chosen[name].add(value); else chosen[name].delete(value);
        show();
      });
      label.append(box, element("span", value.replaceAll("_", " ")), element("b", count.toLocaleString("en")));
      group.append(label);
    }
    return group;
  };

  const told = (found) => {
    const count = found.total >= 10000 ? "more than 10,000" : found.total.toLocaleString("en");
    $("told").replaceChildren(`${count} products, ${found.took_ms} ms`);
    if (found.did_you_mean) {
      const link = element("button", found.did_you_mean, "link");
      link.type = "button";
      link.addEventListener("click", () => { $("q").value = found.did_you_mean; show(); });
      $("told").append(found.matched === "corrected" ? ". Shown for " : ". Did you mean ", link);
    }
    if (found.matched === "some_words") $("told").append(". Nothing has all of these words; these have some.");
  };

  const load = async (more) => {
    const mine = ++turn;
    try {
      const found = await ask("/api/v1/search", parameters());
      if (mine !== turn) return;
      refused("");
      told(found);
      const cards = found.products.map(productCard);
      if (more) $("products").append(...cards); else $("products").replaceChildren(...cards);
      $("facets").replaceChildren(...FACETS.filter((name) => found.facets[name]?.length || chosen[name].size).map((name) => facet(name, found.facets[name] ?? [])));
      $("more").hidden = page * 12 >= Math.min(found.total, 996);
    } catch (error) {
      refused(error.message);
    }
    const kept = new URLSearchParams(parameters().filter(([name, value]) => value && !["page", "size"].includes(name)));
    history.replaceState(null, "", `#${kept}`);
  };

  const show = () => { page = 1; return load(false); };

  const complete = async () => {
    const text = $("q").value.trim();
    if (text.length < 2) return;
    try {
      const found = await ask("/api/v1/suggest", [["q", text], ["lang", $("lang").value]]);
      $("completions").replaceChildren(...found.completions.map((one) => new Option(one.text)));
    } catch (error) {
      refused(error.message);
    }
  };

  const start = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of ["q", "lang", "sort"]) if (given.get(name)) $(name).value = given.get(name);
    $("in_stock").checked = given.has("in_stock");
    for (const name of FACETS) chosen[name] = new Set(given.getAll(name));
    return show();
  };

  let waiting = 0;
  $("q").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(complete, 120); });
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    for (const name of FACETS) chosen[name].clear();
    show();
  });
  for (const id of ["lang", "sort", "in_stock"]) $(id).addEventListener("change", show);
  $("more").addEventListener("click", () => { page += 1; load(true); });
  return { start };
})();
