// Of the page of a managed link: times as they are where the reader is. All else works without a script.

const told = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: 'long', timeStyle: 'short' });
for (const time of document.querySelectorAll('time')) {
  time.textContent = told.format(new Date(time.dateTime));
}
