// Of the page of a managed link: times as they are where the reader is. All else works without a script.

const { lang } = document.documentElement;
const locale = navigator.languages.find((liked) => liked.startsWith(lang)) ?? lang;
const told = new Intl.DateTimeFormat(locale, { dateStyle: 'long', timeStyle: 'short' });
for (const time of document.querySelectorAll('time')) {
  time.textContent = told.format(new Date(time.dateTime));
}
