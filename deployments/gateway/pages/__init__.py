"""What people see of the front door in a browser. Server-rendered; scripts only add to it."""
