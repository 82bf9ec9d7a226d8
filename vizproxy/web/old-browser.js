/* For browsers without JavaScript modules, which run nothing else of this page. */
document.documentElement.setAttribute('data-state', 'failed');
document.addEventListener('DOMContentLoaded', function () {
  var title = document.getElementById('title');
  var text = document.getElementById('text');
  if (title) title.textContent = 'This browser is too old';
  if (text) text.textContent = 'It cannot show the desktop. A current Firefox, Chrome, Edge or Safari shows it.';
});
