"""Starting and ending the processes of an installation."""
