// Progressive enhancement: without it the whole list is there to read.
'use strict';
(() => {
  const form = document.getElementById('search');
  const list = document.getElementById('accounts');
  if (!form || !list) return;
  const words = document.getElementById('words');
  const status = document.getElementById('status');
  const count = document.getElementById('count');
  const items = Array.from(list.children);
  // Letters without their accents, so that "cooperatie" finds "coöperatie"
  const plain = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const texts = items.map((item) => plain(item.textContent));
  const filter = () => {
    const wanted = plain(words.value).split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, index) => {
      const fits = (!status.value || item.dataset.status === status.value) &&
        wanted.every((word) => texts[index].includes(word));
      item.hidden = !fits;
      if (fits) shown += 1;
    });
    count.textContent = count.dataset.text.replace('%', String(shown));
  };
  form.addEventListener('submit', (event) => event.preventDefault());
  words.addEventListener('input', filter);
  status.addEventListener('change', filter);
  form.hidden = false;
  filter();
})();
